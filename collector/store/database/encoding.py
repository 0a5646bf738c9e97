"""The database's encoding: whether it is UTF8, and which characters another encoding lacks (docs/storage.md)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from psycopg import errors as pg

from collector.store.database.connection import HANG_SECONDS, connect, deadline, scalar

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from collector.config.renewable import Connectable

HOLDS_EVERYTHING: Final = frozenset({"UTF8", "SQL_ASCII"})
"""SQL_ASCII stores the bytes of UTF-8 as they come."""


def encoding_of(connection: psycopg.Connection) -> str:
    """Return the encoding of the connection's database, as PostgreSQL spells it (`UTF8`, `LATIN1`).

    Raise `psycopg.Error`.
    """
    # Not the parameter status `server_encoding`: a pooler may report that of another database.
    return str(scalar(connection, "SHOW server_encoding"))


def lacking(connection: psycopg.Connection, characters: Iterable[str]) -> frozenset[str]:
    """Return those of the characters that the database's encoding lacks.

    Only the server knows: it converts by tables of its own. The connection has no open transaction. Raise
    `psycopg.Error`.
    """
    beyond_ascii = sorted({one for one in characters if not one.isascii()})
    if encoding_of(connection) in HOLDS_EVERYTHING:
        beyond_ascii = []
    found = frozenset(_lacking(connection, beyond_ascii))
    if not connection.autocommit:
        connection.rollback()
    return found


def lacking_by(dsn: Connectable, characters: Iterable[str]) -> frozenset[str]:
    """Return the same over a connection of its own. Raise `psycopg.Error` and `StoreUnavailableError`."""
    with contextlib.closing(connect(dsn)) as connection, deadline(connection, HANG_SECONDS):
        return lacking(connection, characters)


def _lacking(connection: psycopg.Connection, characters: list[str]) -> list[str]:
    """Find the characters by halving: most texts lack few of them, or most of a script."""
    if not characters:
        return []
    try:
        with connection.transaction():
            connection.execute("SELECT %s::text", ["".join(characters)])
    except pg.UntranslatableCharacter:
        if len(characters) == 1:
            return characters
        half = len(characters) // 2
        return _lacking(connection, characters[:half]) + _lacking(connection, characters[half:])
    return []
