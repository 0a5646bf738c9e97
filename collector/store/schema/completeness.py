"""Whether the schema is whole: a restore that was ended early leaves tables without their indexes and triggers.

pg_restore makes tables first, then fills them, and makes indexes, primary keys and triggers last. Without the unique
index of `mail_events` a repeated event is stored twice, and without a trigger roll-ups miss events.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from collector.errors import StoreUnavailableError
from collector.store.database.connection import scalar
from collector.store.database.sql import query
from collector.store.migrations import shipped

if TYPE_CHECKING:
    import psycopg

_DROPPED = re.compile(r"^DROP INDEX (\w+)", re.MULTILINE)
_INDEX = re.compile(r"^CREATE (UNIQUE )?INDEX (\w+) ON (\w+)", re.MULTILINE)
_KEYED = re.compile(r"^\s*CREATE TABLE (\w+) \([^;]*?PRIMARY KEY", re.MULTILINE)
# At the start of a line: a trigger within DO is not made on every tier.
_TRIGGER = re.compile(r"^CREATE TRIGGER (\w+)[^;]*? ON (\w+)", re.MULTILINE)


class SchemaPart(NamedTuple):
    """An index, a primary key or a trigger of a table. Without an `essential` one, stored rows or counts go wrong."""

    kind: str
    name: str
    table: str
    is_essential: bool

    def __str__(self) -> str:
        """Return it for messages."""
        return f"{self.kind} {self.name} of {self.table}"


@cache
def parts() -> tuple[SchemaPart, ...]:
    """Return the parts that the migrations make on every tier."""
    found: dict[str, SchemaPart] = {}
    for text in (migration.sql for migration in shipped()):
        for name in _DROPPED.findall(text):
            found.pop(name, None)
        for table in _KEYED.findall(text):
            found[f"{table}_pkey"] = SchemaPart("primary key", f"{table}_pkey", table, is_essential=True)
        for unique, name, table in _INDEX.findall(text):
            found[name] = SchemaPart("index", name, table, is_essential=bool(unique))
        for name, table in _TRIGGER.findall(text):
            found[name] = SchemaPart("trigger", name, table, is_essential=True)
    return tuple(found.values())


def missing(connection: psycopg.Connection) -> list[SchemaPart]:
    """Return the parts that existing tables lack, the essential ones first.

    Return none for a database of a newer version, which may have replaced a part. Raise `psycopg.Error`.
    """
    newest = max(migration.version for migration in shipped())
    if scalar(connection, query("is_newer"), newest):
        return []
    known = {(part.kind == "trigger", part.name): part for part in parts()}
    wanted = [(part.kind == "trigger", part.name, part.table) for part in known.values()]
    rows = connection.execute(query("missing_parts"), tuple(map(list, zip(*wanted, strict=True)))).fetchall()
    return sorted((known[row] for row in rows), key=lambda part: not part.is_essential)


def require_whole_schema(connection: psycopg.Connection) -> None:
    """Raise `StoreUnavailableError` if an essential part is missing, and `psycopg.Error`. End the transaction."""
    lacking = missing(connection)
    if not connection.autocommit:
        connection.rollback()
    if lacking and lacking[0].is_essential:
        raise StoreUnavailableError("incomplete", f"the {lacking[0]} is missing: a restore is not finished")
