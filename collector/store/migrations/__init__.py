"""The schema: plain-SQL files, each applied once, in order, under a lock that all collectors of a database share."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, LiteralString, NamedTuple

from collector.store.connection import scalar

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

LOCK_KEY = 0x6475636B  # "duck"

LOCK_MS: LiteralString = "10000"
"""While a migration waits for a table's lock behind a long query, every writer waits behind the migration: it gives up, and tries again."""

TABLE: LiteralString = """
CREATE TABLE schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Migration(NamedTuple):
    """One file: `0001_mail_events.sql` is version 1."""

    version: int
    name: str
    sql: LiteralString


def shipped() -> list[Migration]:
    """Returns the migrations of this version of the program, in order."""
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".sql")]
    return [
        # The files are part of the package, not input.
        Migration(int(file.name[:4]), file.name.removesuffix(".sql"), file.read_text("utf-8"))
        for file in sorted(files, key=lambda file: file.name)
    ]


def pending(connection: psycopg.Connection) -> list[Migration]:
    """Returns what this database lacks. Versions that only a newer program knows are left alone. Raises `psycopg.Error`."""
    if scalar(connection, "SELECT to_regclass('schema_migrations')") is None:
        return shipped()
    known = {row[0] for row in connection.execute("SELECT version FROM schema_migrations")}
    return [migration for migration in shipped() if migration.version not in known]


def applied(connection: psycopg.Connection) -> list[tuple[str, datetime]]:
    """Returns the name of each migration that this database has, and when it was applied. Raises `psycopg.Error`."""
    if scalar(connection, "SELECT to_regclass('schema_migrations')") is None:
        return []
    return connection.execute("SELECT name, applied_at FROM schema_migrations ORDER BY version").fetchall()


def migrate(connection: psycopg.Connection) -> list[Migration]:
    """Applies what the database lacks, all or nothing, and returns it. Needs no rights where there is nothing to do.

    Raises `psycopg.Error`; a second collector waits for the first. The caller commits.
    """
    if not pending(connection):
        return []
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
    connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
    missing = pending(connection)
    if scalar(connection, "SELECT to_regclass('schema_migrations')") is None:
        connection.execute(TABLE)
    for migration in missing:
        connection.execute(migration.sql)
        connection.execute(
            "INSERT INTO schema_migrations (version, name) VALUES (%s, %s)", (migration.version, migration.name)
        )
    connection.commit()
    return missing
