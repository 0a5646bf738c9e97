"""The check for objects of others that can make the database refuse writes: row security, triggers, rules, constraints,
publications, TimescaleDB's state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.events.model.event import COLUMNS
from collector.events.model.side_tables import AuditEvent, AuthEvent, DnsblResult, HeldEvent
from collector.finding import fault, ok, printable, warning
from collector.store.database.connection import scalar
from collector.store.database.sql import query
from collector.store.migrations import functions, tables
from collector.store.schema.replica_identity import unidentified

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation

ADVICE: Final = {
    "trigger": (
        "can refuse or change what is written",
        "ALTER TABLE {table} DISABLE TRIGGER {name}, or DROP TRIGGER {name} ON {table}",
    ),
    "event trigger": (
        "can refuse migrations, and the temporary tables by which repeated events are recognised",
        "ALTER EVENT TRIGGER {name} DISABLE, or have it let this role pass, if it refuses them (SQLSTATE P0001)",
    ),
    "rule": ("changes what is written, and refuses COPY", "DROP RULE {name} ON {table}"),
    "constraint": ("can refuse rows: they become dead letters", "ALTER TABLE … DROP CONSTRAINT {name}"),
    "unique index": ("refuses rows: they count as repeated and are not stored", "DROP INDEX {name}"),
}

WRITTEN: Final = {
    "mail_events": frozenset(COLUMNS),
    **{kind.TABLE: frozenset(kind.__struct_fields__) for kind in (AuditEvent, AuthEvent, DnsblResult, HeldEvent)},
}
"""The columns that the writer fills, by table."""

EXTENSION_SCHEMA: Final = (
    "SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace"
    " WHERE extname = 'timescaledb' AND NOT has_schema_privilege(extnamespace, 'USAGE')"
)


def obstacles(installation: Installation) -> Iterator[Finding]:
    """Check that no object of others on our tables makes the database refuse writes."""
    with installation.database() as connection:
        found = [
            *_timescaledb(connection),
            *_silenced(connection),
            *_foreign(connection),
            *_columns(connection),
            *_published(connection),
        ]
    yield from found or [
        ok("no row security, foreign trigger, rule or constraint on our tables; none is published without identity")
    ]


def _timescaledb(connection: psycopg.Connection) -> Iterator[Finding]:
    role = scalar(connection, "SELECT quote_ident(current_user)")
    schema = scalar(connection, EXTENSION_SCHEMA)
    if schema is not None:
        yield fault(
            (
                f"TimescaleDB is in the schema {schema}, which this role may not use: "
                f"its functions are not found (SQLSTATE 42883, 42501)"
            ),
            f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        )
    if scalar(connection, "SELECT current_setting('timescaledb.restoring', true)") == "on":
        yield fault(
            "timescaledb.restoring is on: TimescaleDB refuses every INSERT into mail_events (SQLSTATE 0A000)",
            "in this database, as a superuser: SELECT timescaledb_post_restore(); if it stays on: "
            "ALTER DATABASE … RESET timescaledb.restoring, "
            "and ALTER ROLE … RESET timescaledb.restoring",
        )


def _silenced(connection: psycopg.Connection) -> Iterator[Finding]:
    """Report a setting by which no trigger runs. Only a superuser may set it, so the collector cannot undo it."""
    if scalar(connection, "SHOW session_replication_role") == "replica":
        yield fault(
            "session_replication_role is replica: triggers do not run, so the outcomes of new events are not counted",
            "as a superuser: ALTER ROLE … RESET session_replication_role, and ALTER DATABASE … RESET "
            "session_replication_role; then restart the collector",
        )


def _foreign(connection: psycopg.Connection) -> Iterator[Finding]:
    ours = {"tables": tables(), "functions": functions()}
    for row in connection.execute(query("obstacles"), ours).fetchall():
        kind, table, name = map(printable, row)
        if kind == "row security":
            yield fault(
                f"row security holds for this role on {table}: COPY is refused (SQLSTATE 0A000), and rows are hidden",
                (
                    f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY (this role must own it), "
                    f"or ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"
                ),
            )
        else:
            does, remedy = ADVICE[kind]
            yield warning(
                f"the {kind} {name}{f' on {table}' if table else ''} is not ours: it {does}",
                remedy.format(name=name, table=table),
            )


def _columns(connection: psycopg.Connection) -> Iterator[Finding]:
    """Report columns of others that no row of ours can fill."""
    rows = connection.execute(
        "SELECT name, attname FROM unnest(%s::text[]) AS name JOIN pg_attribute ON attrelid = to_regclass(name)"
        " WHERE attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attidentity = '' ORDER BY 1, 2",
        [list(WRITTEN)],
    ).fetchall()
    for table, column in rows:
        if column not in WRITTEN[table]:
            name = printable(column)
            yield fault(
                f"the column {name} of {table} is not ours, is NOT NULL and has no default: each row is refused "
                "(SQLSTATE 23502) and becomes a dead letter",
                f"ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL; then dead-letters retry --reason bad_row",
            )


def _published(connection: psycopg.Connection) -> Iterator[Finding]:
    bare = {(one.schema, one.table): one for one in unidentified(connection)}
    rows = connection.execute(
        "SELECT DISTINCT ON (schemaname, tablename) schemaname, tablename, p.pubname FROM pg_publication_tables AS t"
        " JOIN pg_publication AS p USING (pubname) WHERE pubupdate OR pubdelete"
    ).fetchall()
    for schema, table, publication in rows:
        one = bare.get((schema, table))
        if one is not None:
            yield fault(
                f"the publication {printable(publication)} holds {one}, which has no replica identity: "
                f"DELETE and UPDATE are refused "
                "(SQLSTATE 55000)",
                f"as the owner of the table: {one.remedy.as_string(connection)}",
            )
