"""Another program's `schema_migrations` is not used: every command names the table and a remedy, and `serve` ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
import yaml
from psycopg import conninfo

from collector.__main__ import main
from collector.store.migrations import ForeignTableError, migrate, pending, require_ours, shipped
from tests.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[[str], Path]

OUR_COLUMNS = (
    "CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL, "
    "applied_at timestamptz NOT NULL DEFAULT now())"
)

FOREIGN: dict[str, tuple[str, ...]] = {
    "Rails": (
        "CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('20240102030405')",
    ),
    "golang-migrate": (
        "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)",
        "INSERT INTO schema_migrations VALUES (1, false)",
    ),
    "an empty one": ("CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY)",),
    "whole numbers like ours": (
        "CREATE TABLE schema_migrations (version integer PRIMARY KEY)",
        *(f"INSERT INTO schema_migrations VALUES ({one.version})" for one in shipped()),
    ),
    "our columns and other rows": (OUR_COLUMNS, "INSERT INTO schema_migrations VALUES (1, '0001_initial')"),
    "our columns and a later row of another": (
        OUR_COLUMNS, "INSERT INTO schema_migrations VALUES (1, '0001_mail_events'), (2, 'add_users')",
    ),
    "our columns and no row": (OUR_COLUMNS,),
    "a view": (
        "CREATE VIEW schema_migrations AS SELECT 1 AS version, '0001_mail_events'::text AS name, now() AS applied_at",
    ),
}  # fmt: skip


def execute(dsn: str, *statements: str) -> None:
    """Execute a statement as the owner of the database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Write a configuration with a DSN."""

    def write(dsn: str) -> Path:
        path = tmp_path / "duckwatch.yml"
        settings = {
            "listen": f"127.0.0.1:{free_port()}",
            "database": {"dsn": dsn},
            "journal": {"path": str(tmp_path / "journal")},
        }
        path.write_text(yaml.safe_dump({"collector": settings}), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("statements", FOREIGN.values(), ids=FOREIGN)
def test_another_programs_table_is_recognised_and_left_alone(postgres_dsn: str, statements: tuple[str, ...]) -> None:
    """Another program's table is recognised by its columns or first rows, and nothing is written."""
    execute(postgres_dsn, *statements)
    with psycopg.connect(postgres_dsn) as connection:
        with pytest.raises(ForeignTableError, match=r"public\.schema_migrations .* made by another program"):
            migrate(connection)
        connection.rollback()
        assert connection.execute("SELECT to_regclass('mail_events')").fetchone() == (None,)


def test_ours_is_ours_in_each_version(postgres_dsn: str) -> None:
    """The collector's own table is recognised, also with rows or a column of a newer version, and before it exists."""
    with psycopg.connect(postgres_dsn) as connection:
        assert not require_ours(connection)
        migrate(connection)
        assert require_ours(connection)
        connection.execute("INSERT INTO schema_migrations (version, name) VALUES (9999, 'later')")
        connection.execute("ALTER TABLE schema_migrations ADD COLUMN hash text")
        assert require_ours(connection)
        assert pending(connection) == []


@pytest.mark.parametrize(
    "command",
    [
        ["migrate"], ["migrate", "--status"], ["migrate", "--dry-run"], ["dead-letters", "list"],
        ["dead-letters", "drop", "--reason", "bad_row"], ["dead-letters", "retry", "--reason", "bad_row"],
        ["subject", "export", "a@b.example"], ["subject", "forget", "a@b.example"],
        ["reclassify", "--since", "30d"], ["reclassify", "--since", "30d", "--dry-run"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_command_says_what_to_type(
    postgres_dsn: str, config: Config, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """Every command names the table, a statement and an option of the DSN, and exits with code 1."""
    execute(postgres_dsn, *FOREIGN["golang-migrate"])
    assert main(["--config", str(config(postgres_dsn)), *command]) == 1
    said = capsys.readouterr().err
    assert "public.schema_migrations" in said
    assert 'CREATE SCHEMA duckwatch AUTHORIZATION "postgres"' in said
    assert "options=-csearch_path%3Dduckwatch" in said


def test_serve_ends_and_says_what_to_type(postgres_dsn: str, config: Config) -> None:
    """`serve` exits with code 1 once the database has answered, and leaves the other table unchanged."""
    execute(postgres_dsn, *FOREIGN["Rails"])
    command = [sys.executable, "-m", "collector", "--config", str(config(postgres_dsn)), "serve"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ))
    assert done.returncode == 1
    assert "public.schema_migrations" in done.stderr
    assert "CREATE SCHEMA duckwatch" in done.stderr


def test_doctor_has_it_as_a_fault(postgres_dsn: str, config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """`doctor` reports a fault, also for a table that looks right but may not be read."""
    execute(postgres_dsn, *FOREIGN["Rails"])
    path = config(postgres_dsn)
    main(["--config", str(path), "doctor", "--json"])
    [found] = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["check"] == "schema"]
    assert found["status"] == "fault"
    assert "made by another program" in found["what"]
    assert "CREATE SCHEMA duckwatch" in found["remedy"]


@pytest.mark.parametrize("statement", ["CREATE TABLE mail_events (a int)", "CREATE TYPE mail_events AS ENUM ('a')"])
def test_doctor_names_an_object_with_a_name_of_ours(
    postgres_dsn: str, config: Config, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    """Without our migrations, `doctor` names a foreign object in their way, and a schema of its own as the remedy."""
    execute(postgres_dsn, statement)
    main(["--config", str(config(postgres_dsn)), "doctor", "--json"])
    [found] = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["check"] == "schema"]
    assert found["status"] == "fault"
    assert "the name public.mail_events is taken" in found["what"]
    assert "CREATE SCHEMA duckwatch" in found["remedy"]


def test_doctor_names_the_right_to_read_it(
    postgres_dsn: str, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a table with the right columns that may not be read, `doctor` names both remedies."""
    execute(postgres_dsn, OUR_COLUMNS, "CREATE ROLE cannot_read LOGIN")
    try:
        path = config(conninfo.make_conninfo(postgres_dsn, user="cannot_read"))
        main(["--config", str(path), "doctor", "--json"])
        [found] = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["check"] == "schema"]
        assert found["status"] == "fault"
        assert "GRANT SELECT ON schema_migrations" in found["remedy"]
        assert "CREATE SCHEMA duckwatch" in found["remedy"]
        assert main(["--config", str(path), "migrate", "--status"]) == 1
        assert "permission (SQLSTATE 42501)" in capsys.readouterr().err
    finally:
        execute(postgres_dsn, "DROP ROLE cannot_read")


@pytest.mark.parametrize("path", ["duckwatch", "duckwatch, public"])
def test_what_the_message_says_helps(any_dsn: str, config: Config, path: str) -> None:
    """The named remedy works: a schema of its own, set in the DSN, also if TimescaleDB is in the other schema."""
    execute(any_dsn, *FOREIGN["golang-migrate"], 'CREATE SCHEMA duckwatch AUTHORIZATION "postgres"')
    own = conninfo.make_conninfo(any_dsn, options=f"-csearch_path={path.replace(', ', ',')}")
    assert main(["--config", str(config(own)), "migrate"]) == 0
    assert main(["--config", str(config(own)), "migrate", "--status"]) == 0
    with psycopg.connect(any_dsn) as connection:
        assert connection.execute("SELECT to_regclass('duckwatch.mail_events') IS NOT NULL").fetchone() == (True,)
        assert connection.execute("SELECT version, dirty FROM public.schema_migrations").fetchall() == [(1, False)]
