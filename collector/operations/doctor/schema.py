"""The check of the schema: migrations, and the indexes and triggers that a restore may have left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import errors as pg

from collector.finding import fault, ok, printable, warning
from collector.store.database.connection import scalar
from collector.store.database.sql import query
from collector.store.migrations import ForeignTableError, pending, shipped, tables
from collector.store.schema.completeness import missing as missing_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation
    from collector.store.schema.completeness import SchemaPart

READ_REMEDY: Final = (
    "GRANT SELECT ON schema_migrations to this role; if another program made it: "
    "CREATE SCHEMA duckwatch AUTHORIZATION this role, and add options=-csearch_path%3Dduckwatch to "
    "collector.database.dsn"
)


def schema(installation: Installation) -> Iterator[Finding]:
    """Check that the tables are those of this version, with their indexes and triggers."""
    with installation.database() as connection:
        if scalar(connection, "SELECT current_schema()") is None:
            yield _nowhere(connection)
            return
        try:
            missing = pending(connection)
        except ForeignTableError as error:
            yield fault(error.what, error.remedy)
            return
        except pg.InsufficientPrivilege:
            yield fault("no right to read schema_migrations, which may belong to another program", READ_REMEDY)
            return
        may_create = scalar(connection, "SELECT has_schema_privilege(current_schema(), 'CREATE')")
        lacking = [] if missing else missing_parts(connection)  # a migration to come makes its own
        if len(missing) == len(shipped()) and (taken := _taken(connection)) is not None:
            yield taken
            return
        is_begun = len(missing) < len(shipped())
        newest = scalar(connection, "SELECT max(version) FROM schema_migrations") if is_begun else None
        yield from _elsewhere(connection)
    if lacking:
        yield from _incomplete(lacking)
    elif missing and not may_create:
        yield fault(
            f"{len(missing)} migrations to apply, and this role may not create tables",
            "run `migrate` with the DSN of the tables' owner, or GRANT CREATE ON SCHEMA public TO this role "
            "(PostgreSQL 15 and newer give it to the owner of the database only)",
        )
    elif missing:
        yield warning(
            f"{len(missing)} migrations to apply", "the next start applies them; `migrate` does so ahead of it"
        )
    elif isinstance(newest, int) and newest > max(one.version for one in shipped()):
        yield ok(f"version {newest}, of a newer collector: this one still works")
    else:
        yield ok(f"version {newest}, up to date")


def _nowhere(connection: psycopg.Connection) -> Finding:
    path = scalar(connection, "SHOW search_path")
    return fault(
        f"the search_path of this role leads to no schema that exists and that it may use: {printable(str(path))}",
        "ALTER ROLE … RESET search_path, or ALTER DATABASE …; or CREATE SCHEMA of that name. Two schemas are two "
        "names: SET search_path = duckwatch, public",
    )


def _elsewhere(connection: psycopg.Connection) -> Iterator[Finding]:
    """Report tables of ours in another schema: a changed search_path begins a second, empty installation."""
    rows = connection.execute(
        "SELECT nspname, coalesce((SELECT relnamespace FROM pg_class WHERE oid = to_regclass('mail_events')),"
        " current_schema()::regnamespace)::regnamespace::text"
        " FROM pg_class AS c JOIN pg_namespace ON pg_namespace.oid = c.relnamespace"
        " WHERE relname = 'mail_events' AND c.oid IS DISTINCT FROM to_regclass('mail_events') AND EXISTS ("
        "  SELECT FROM pg_class WHERE relname = 'touched_buckets' AND relnamespace = c.relnamespace) ORDER BY 1"
    ).fetchall()
    for other, ours in rows:
        yield warning(
            f"the schema {printable(other)} has tables of duckwatch too; this role writes to {printable(ours)}",
            "if search_path was changed, change it back (SHOW search_path, for the role, the database and the DSN); "
            "the dashboards' role must have the same one",
        )


def _taken(connection: psycopg.Connection) -> Finding | None:
    """Return a fault if a relation or type has a name of ours in the schema where the migrations make theirs."""
    name = scalar(connection, query("taken_names"), tables())
    if name is None:
        return None
    return fault(
        f"the name {printable(str(name))} is taken, and schema_migrations is missing: it is another program's, or part "
        "of a restore. The migrations stop there (SQLSTATE 42P07, 42710)",
        "give duckwatch a schema of its own: CREATE SCHEMA duckwatch AUTHORIZATION this role, and add "
        "options=-csearch_path%3Dduckwatch to collector.database.dsn; "
        "after a restore that was ended early, restore again into a new database (docs/backup.md)",
    )


def _incomplete(lacking: list[SchemaPart]) -> Iterator[Finding]:
    """Report the missing parts, the essential ones first."""
    if lacking[0].is_essential:
        yield fault(
            f"{len(lacking)} indexes and triggers are missing, one is the {lacking[0]}: nothing is stored, because "
            "events would be stored twice or not be counted",
            "wait for the end of a restore that is running; if one was ended early, restore again into a new database "
            "(docs/backup.md)",
        )
    else:
        yield warning(
            f"{len(lacking)} indexes are missing, one is the {lacking[0]}: queries and jobs take longer",
            f"its statement is in collector/store/migrations (CREATE INDEX {lacking[0].name})",
        )
