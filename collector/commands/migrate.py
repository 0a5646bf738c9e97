"""`migrate`: apply the schema before a start (a start does it too), or print what there is to apply."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collector.store.database.sessions import committed, open_session
from collector.store.migrations import applied, apply, pending
from collector.store.schema import reader_role
from collector.store.schema.layout import lay_out

if TYPE_CHECKING:
    import psycopg

    from collector.config import Settings

UP_TO_DATE = "nothing to apply: the schema is up to date"


def run(settings: Settings, *, dry_run: bool = False, status: bool = False) -> int:
    """Apply the migrations and the layout, and print what changed.

    `dry_run` prints the SQL instead. `status` prints what is applied and what is not, and returns 1 if something is
    not. Both change nothing. Raise `StoreError`, and `ForeignTableError`.
    """
    dsn = settings.collector.database.direct_dsn.get_secret_value()
    if status or dry_run:
        with open_session(dsn) as connection:
            return _status(connection) if status else _dry_run(connection)
    done = committed(dsn, lambda cursor: apply(cursor.connection))
    with open_session(dsn) as connection:  # another one: TimescaleDB's functions are found by where our tables lie
        changes = lay_out(connection, settings.collector.retention, datetime.now(UTC))
        faults = reader_role.complete_reader_role(connection)
    for migration in done:
        print(f"applied {migration.name}")
    for change in changes:
        print(change)
    if not done and not changes:
        print(UP_TO_DATE)
    for fault in faults:
        print(f"dashboards: {fault.advice}")
    return 0


def _status(connection: psycopg.Connection) -> int:
    for name, at in applied(connection):
        print(f"applied {at.isoformat(timespec='seconds')}  {name}")
    missing = pending(connection)
    for migration in missing:
        print(f"pending {'':<25}  {migration.name}")
    return 1 if missing else 0


def _dry_run(connection: psycopg.Connection) -> int:
    missing = pending(connection)
    for migration in missing:
        print(f"-- {migration.name}\n{migration.sql}")
    if not missing:
        print(f"-- {UP_TO_DATE}")
    return 0
