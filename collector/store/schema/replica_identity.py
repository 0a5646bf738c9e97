"""Replica identities: without one, PostgreSQL refuses every DELETE and UPDATE on a published table (SQLSTATE 55000).

Anyone may publish all tables, so every table gets a replica identity in advance. Migration 0015 sets them. Tables that
it could not change, and tables that TimescaleDB has made since, are completed here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from collector.store.database.sql import query
from collector.store.database.tiers import layout_of
from collector.store.migrations import tables

if TYPE_CHECKING:
    from psycopg.sql import Composed

log = logging.getLogger(__name__)

LOCK_MS: Final = 500
"""ALTER TABLE waits for readers of the table, and writers wait behind it. It therefore gives up soon, and is tried
again.
"""

NOTHING: LiteralString = "SELECT NULL::text, NULL::text WHERE false"


class TableWithoutIdentity(NamedTuple):
    """A table without a replica identity, and the unique index that can be one (None: use all its columns)."""

    schema: str
    table: str
    unique_index: str | None

    def __str__(self) -> str:
        """Return its name, for messages."""
        return f"{self.schema}.{self.table}"

    @property
    def remedy(self) -> Composed:
        """Return the statement that gives it one."""
        identity = (
            sql.SQL("FULL")
            if self.unique_index is None
            else sql.SQL("USING INDEX {}").format(sql.Identifier(self.unique_index))
        )
        return sql.SQL("ALTER TABLE {} REPLICA IDENTITY {}").format(sql.Identifier(self.schema, self.table), identity)


def unidentified(connection: psycopg.Connection) -> list[TableWithoutIdentity]:
    """Return our tables without a replica identity. Raise `psycopg.Error`."""
    behind = query("behind_aggregates") if layout_of(connection).has_aggregates else NOTHING
    statement = sql.SQL(query("without_identity")).format(behind=sql.SQL(behind))
    return [TableWithoutIdentity(*row) for row in connection.execute(statement, (tables(),))]


def complete_replica_identities(connection: psycopg.Connection) -> list[str]:
    """Give each of our tables a replica identity, each in a transaction of its own; return a line for each change.

    A table that is locked or belongs to another role is logged, and left for the next call. The connection is in
    autocommit mode. Raise `psycopg.Error` only if the connection is lost.
    """
    changes = []
    for table in unidentified(connection):
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_MS}ms",))
                connection.execute(table.remedy)
        except psycopg.Error as error:
            if error.sqlstate is None:
                raise
            log.info(
                "a table has no replica identity yet",
                extra={"fields": {"table": str(table), "sqlstate": error.sqlstate}},
            )
        else:
            changes.append(f"{table}: has a replica identity now")
    return changes
