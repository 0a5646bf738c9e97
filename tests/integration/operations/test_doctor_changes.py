"""`doctor` and what an operator changed: tables, columns, the search path, the settings of the role."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo, sql

from collector.config import CollectorSettings
from collector.operations.doctor import CHECKS, examine
from collector.operations.doctor.installation import Installation
from collector.store.writing.batch_write import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.finding import Finding

    Execute = Callable[[str], None]

pytestmark = pytest.mark.servers


@pytest.fixture
def execute(any_dsn: str) -> Execute:
    """Return what executes SQL in a migrated database. `{db}` is its name."""
    PostgresStore(any_dsn, any_dsn).prepare()
    database = sql.Identifier(str(conninfo.conninfo_to_dict(any_dsn)["dbname"]))

    def run(statement: str) -> None:
        with psycopg.connect(any_dsn, autocommit=True) as connection:
            connection.execute(statement.replace("{db}", database.as_string(connection)).encode())

    return run


def told(dsn: str, check: str) -> list[Finding]:
    """Return the findings of a check."""
    section = CollectorSettings.model_validate({"database": {"dsn": dsn}})
    with contextlib.closing(Installation(section, None)) as installation:
        return list(examine(installation, {check: CHECKS[check]}))


def shown(dsn: str, check: str, word: str) -> list[tuple[str, str]]:
    """Return status and text of the findings that have this word."""
    return [(one.status.value, one.what) for one in told(dsn, check) if word in one.what]


def test_an_unlogged_table_is_a_fault(postgres_dsn: str) -> None:
    """A table that a crash empties is a fault; the remedy removes it."""
    PostgresStore(postgres_dsn, postgres_dsn).prepare()
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE mail_events SET UNLOGGED")
        [found] = [one for one in told(postgres_dsn, "durability") if "UNLOGGED" in one.what]
        assert (found.status.value, found.what.split()[0]) == ("fault", "mail_events")
        connection.execute(found.remedy.partition(",")[0].encode())
    assert shown(postgres_dsn, "durability", "UNLOGGED") == []


def test_a_column_that_no_row_can_fill_is_a_fault(any_dsn: str, execute: Execute) -> None:
    """A NOT NULL column of others without a default is a fault; one with a default is none."""
    assert shown(any_dsn, "obstacles", "column") == []
    execute("ALTER TABLE mail_events ADD COLUMN tenant text; ALTER TABLE auth_events ADD COLUMN country text NOT NULL")
    execute("ALTER TABLE mail_events ALTER tenant SET DEFAULT 'x', ALTER tenant SET NOT NULL")
    [(status, what)] = shown(any_dsn, "obstacles", "column")
    assert (status, what.startswith("the column country of auth_events is not ours")) == ("fault", True)
    execute("ALTER TABLE auth_events ALTER country SET DEFAULT 'x'")
    assert shown(any_dsn, "obstacles", "column") == []


def test_triggers_that_do_not_run_are_a_fault(any_dsn: str, execute: Execute) -> None:
    """The setting of a replica, left on the database, is a fault: no trigger of ours runs."""
    execute("ALTER DATABASE {db} SET session_replication_role = replica")
    [(status, _)] = shown(any_dsn, "obstacles", "session_replication_role")
    assert status == "fault"
    execute("ALTER DATABASE {db} RESET session_replication_role")
    assert shown(any_dsn, "obstacles", "session_replication_role") == []


def test_an_event_trigger_can_refuse_repeated_events(any_dsn: str, execute: Execute) -> None:
    """An event trigger is named as what can refuse the writer's temporary tables, too."""
    execute(
        "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER note ON ddl_command_start EXECUTE FUNCTION note()"
    )
    [(status, what)] = shown(any_dsn, "obstacles", "note")
    assert (status, "repeated events" in what) == ("warning", True)


def test_a_search_path_that_leads_elsewhere_is_named(any_dsn: str, execute: Execute) -> None:
    """A path without a schema is a fault that shows it; one that leads past the tables is a warning."""
    assert [one.status.value for one in told(any_dsn, "schema")] == ["ok"]
    execute("ALTER DATABASE {db} SET search_path = 'mail, public'")
    [(status, what)] = [(one.status.value, one.what) for one in told(any_dsn, "schema")]
    assert (status, what.endswith('may use: "mail, public"')) == ("fault", True)
    execute("CREATE SCHEMA mail; ALTER DATABASE {db} SET search_path = mail")
    assert ("warning", "the schema public has tables of duckwatch too; this role writes to mail") in shown(
        any_dsn, "schema", "schema"
    )
    execute("ALTER DATABASE {db} SET search_path = mail, public")
    assert [one.status.value for one in told(any_dsn, "schema")] == ["ok"]


def test_another_programs_migrations_are_one_fault(any_dsn: str, execute: Execute) -> None:
    """Beside another program's table of migrations, the comparison of roll-ups is skipped, and is no error of ours."""
    execute("ALTER TABLE schema_migrations RENAME name TO file")
    assert [one.status.value for one in told(any_dsn, "schema")] == ["fault"]
    assert [one.status.value for one in told(any_dsn, "rollups")] == ["skipped"]


def test_an_unknown_setting_is_named(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting in PGOPTIONS that the server does not know, or that forbids writes, is found where it is."""
    monkeypatch.setenv("PGOPTIONS", "-c nosuch=1")
    [found] = told(postgres_dsn, "database")
    assert (found.status.value, "definition (42704)" in found.what, "PGOPTIONS" in found.remedy) == (
        "fault",
        True,
        True,
    )
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    [found] = told(postgres_dsn, "database")
    assert (found.status.value, "PGOPTIONS" in found.remedy) == ("fault", True)
