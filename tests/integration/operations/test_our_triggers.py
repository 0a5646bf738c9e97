"""`doctor` recognises the project's triggers by the migrations that make them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
import pytest

from collector.config import CollectorSettings
from collector.finding import Status
from collector.operations.doctor import obstacles
from collector.operations.doctor.installation import Installation
from collector.store import migrations
from collector.store.migrations import Migration

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.servers

LATER = Migration(
    9000,
    "9000_of_a_later_version",
    """
CREATE FUNCTION note_later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER note_later AFTER INSERT ON dead_letters FOR EACH STATEMENT EXECUTE FUNCTION note_later();
DO $$
BEGIN
    CREATE OR REPLACE FUNCTION note_again() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER note_again AFTER INSERT ON mail_events FOR EACH STATEMENT EXECUTE FUNCTION note_again();
END
$$;
""",
)

OF_TRIGGERS = "SELECT DISTINCT proname FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal"


def found(dsn: str) -> Sequence[tuple[Status, str]]:
    """Return the check's findings."""
    section = CollectorSettings.model_validate({"database": {"dsn": dsn}})
    with contextlib.closing(Installation(section, None)) as patient:
        return [(one.status, one.what) for one in obstacles.obstacles(patient)]


def test_the_triggers_of_a_migration_to_come_are_ours(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trigger of any migration, also a new one, is accepted, and one of no migration is named."""
    known = [*migrations.shipped(), LATER]
    with psycopg.connect(postgres_dsn) as connection:
        with monkeypatch.context() as later:
            later.setattr(migrations, "shipped", lambda: known)
            migrations.migrate(connection)
            assert [status for status, _ in found(postgres_dsn)] == [Status.OK]
            used = {row[0] for row in connection.execute(OF_TRIGGERS).fetchall()}
            assert {
                "keep_erased",
                "keep_truncated",
                "keep_erased_outcomes",
                "keep_truncated_outcomes",
                "mark_outcomes",
                "mark_built_from",
                "mark_stored",
                "rename_severity",
                "note_later",
                "note_again",
            } == used
            assert used <= set(migrations.functions())
        connection.commit()
    said = [what.partition(" is not ours")[0] for status, what in found(postgres_dsn) if status is Status.WARNING]
    assert said == ["the trigger note_later on dead_letters", "the trigger note_again on mail_events"]
