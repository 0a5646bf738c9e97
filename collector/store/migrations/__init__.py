"""The schema: plain-SQL files, each applied once, in order, under a lock that all collectors of a database share."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple

from psycopg import sql

from collector.store.database.sql import query
from duckwatch.base.errors import StartError

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

LOCK_KEY = 0x6475636B  # "duck"

LOCK_MS: LiteralString = "10000"
"""How long a migration waits for a table's lock. Behind a long query, every writer waits behind the migration: it gives
up, and tries again.
"""

TABLE: LiteralString = """
CREATE TABLE schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)
"""


COLUMNS: Final = ("version integer", "name text", "applied_at timestamp with time zone")


class Migration(NamedTuple):
    """One file: `0001_mail_events.sql` is version 1."""

    version: int
    name: str
    sql: LiteralString


FIRST: Final = Migration(1, "0001_mail_events", "")
"""The migration that each version of this program applies first."""


def shipped() -> list[Migration]:
    """Return the migrations of this version of the program, in order."""
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".sql")]
    return [
        # The files are part of the package, not input.
        Migration(int(file.name[:4]), file.name.removesuffix(".sql"), file.read_text("utf-8"))
        for file in sorted(files, key=lambda file: file.name)
    ]


def tables() -> list[str]:
    """Return the names of the tables that the migrations make."""
    return ["schema_migrations", *_made(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)")]


def functions() -> list[str]:
    """Return the names of the functions that the migrations make."""
    return _made(r"^\s*CREATE (?:OR REPLACE )?FUNCTION (\w+)")


def _made(pattern: str) -> list[str]:
    made = re.compile(pattern, re.MULTILINE)
    return [name for migration in shipped() for name in made.findall(migration.sql)]


class ForeignTableError(StartError):
    """The table `schema_migrations` in the role's schema belongs to another program.

    `what` says what was found, `remedy` what to type.
    """

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(f"{what}. {remedy}")


class _Table(NamedTuple):
    """The relation that the name `schema_migrations` leads to."""

    schema: str
    role: str
    database: str
    is_in_our_schema: bool
    is_table: bool
    columns: list[str]

    def __str__(self) -> str:
        """Return its name, for messages."""
        return f"{self.schema}.schema_migrations"


def require_ours(connection: psycopg.Connection) -> bool:
    """Return True if our table of migrations exists, False if none does.

    Raise `ForeignTableError` for another program's table, and `psycopg.Error`. Ours has our columns and the rows of our
    files. It is never empty, because it is made and filled in one transaction. Another program's table further along
    the search path does not count: ours is made in the first schema, ahead of it.
    """
    row = connection.execute(query("migrations_table")).fetchone()
    if row is None:
        return False
    table = _Table(*row)
    reason = _why_foreign(connection, table)
    if reason is None:
        return True
    if not table.is_in_our_schema:
        return False
    raise ForeignTableError(
        f"the table {table} in database {table.database} was made by another program: {reason}", _advice(table)
    )


def _why_foreign(connection: psycopg.Connection, table: _Table) -> str | None:
    """Return how the table differs from ours, or None for ours."""
    if not table.is_table:
        return "it is not a table"
    lacking = [column for column in COLUMNS if column not in table.columns]
    if lacking:
        return f"it has no column {lacking[0]}"
    # Without the right to read the table this raises 42501, as it should: by its columns it may be ours.
    rows = connection.execute(
        sql.SQL("SELECT version, name FROM {} ORDER BY version").format(
            sql.Identifier(table.schema, "schema_migrations")
        )
    ).fetchall()
    if not rows:
        return "it is empty"
    ours = {migration.version: migration.name for migration in shipped()}
    if rows[0] != (FIRST.version, FIRST.name):
        return f"its first row is not {FIRST.name}"
    # A newer version of the collector may have more rows.
    odd = [version for version, name in rows if name != ours.get(version, name)]
    return f"row {odd[0]} is not of a migration of ours" if odd else None


def _advice(table: _Table) -> str:
    return (
        "duckwatch keeps its migrations in a table of that name, and needs a schema of its own; "
        f'as the owner of the database: CREATE SCHEMA duckwatch AUTHORIZATION "{table.role}"; '
        "then add options=-csearch_path%3Dduckwatch to collector.database.dsn, and to session_dsn where it is set: "
        "postgresql://…/DATABASE?options=-csearch_path%3Dduckwatch "
        f'(behind a pooler that takes no options: ALTER ROLE "{table.role}" IN DATABASE "{table.database}" '
        "SET search_path = duckwatch)"
    )


def pending(connection: psycopg.Connection) -> list[Migration]:
    """Return the migrations that this database lacks. Rows of newer versions of the program are ignored.

    Raise `psycopg.Error`, and `ForeignTableError`.
    """
    if not require_ours(connection):
        return shipped()
    known = {row[0] for row in connection.execute("SELECT version FROM schema_migrations")}
    return [migration for migration in shipped() if migration.version not in known]


def applied(connection: psycopg.Connection) -> list[tuple[str, datetime]]:
    """Return the name of each applied migration, and when it was applied. Raise as `pending` does."""
    if not require_ours(connection):
        return []
    return connection.execute("SELECT name, applied_at FROM schema_migrations ORDER BY version").fetchall()


def apply(connection: psycopg.Connection) -> list[Migration]:
    """Apply the missing migrations, all or none, and return them. This needs no rights if none is missing.

    A second collector waits for the first. The caller commits. Raise as `pending` does.
    """
    if not pending(connection):
        return []
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
    connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
    missing = pending(connection)
    if not require_ours(connection):
        connection.execute(TABLE)
    for migration in missing:
        connection.execute(migration.sql)
        connection.execute(
            "INSERT INTO schema_migrations (version, name) VALUES (%s, %s)", (migration.version, migration.name)
        )
    return missing


def migrate(connection: psycopg.Connection) -> list[Migration]:
    """Apply the missing migrations and commit them."""
    done = apply(connection)
    if done:
        connection.commit()
    return done
