"""The statements for SQLite, and the meaning of its errors."""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import TYPE_CHECKING, cast

from collector.journal.sqlite.log import KEPT_LOG_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from collector.events.model.batch import JournalEntry

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS requests (id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, body BLOB NOT NULL)"
)

MAX_INSERTED = 256
"""The most rows of one INSERT. Each has three parameters, and some builds of SQLite allow only 999."""

OPEN = 1
"""`user_version` while a process has the file open. It is 0 once the file is closed and its write-ahead log deleted.

It is in the file itself from the start.
"""

PAGE_BYTES = 8192

OPENING = (
    # EXCLUSIVE: a second collector on the same file fails at its start instead of taking half of the requests.
    "PRAGMA locking_mode = EXCLUSIVE",
    f"PRAGMA page_size = {PAGE_BYTES}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    f"PRAGMA journal_size_limit = {KEPT_LOG_BYTES}",
    # We decide when the log is folded, because SQLite's own checkpoint ignores a full disk and does not report it.
    "PRAGMA wal_autocheckpoint = 0",
    # A transaction that spills would write pages twice: `frames_of` counts each once.
    "PRAGMA cache_spill = OFF",
    "PRAGMA temp_store = MEMORY",
    # Some builds of SQLite (Debian's) write zeros over every deleted page, for which a full disk has no room.
    "PRAGMA secure_delete = FAST",
    SCHEMA,
)

SHRINK_BYTES = 64 * 1024 * 1024
"""An empty file that is larger than this gives its pages back to the disk."""


def pieces(rows: Sequence[JournalEntry]) -> Iterator[Sequence[JournalEntry]]:
    """Cut the rows into pieces whose sizes are powers of two, so that sqlite3 has each statement in its cache."""
    at = 0
    while left := len(rows) - at:
        size = min(MAX_INSERTED, 1 << (left.bit_length() - 1))
        yield rows[at : at + size]
        at += size


@cache
def insertion(count: int) -> str:
    """Return the statement that adds `count` rows."""
    rows = ", ".join(["(?, ?, ?)"] * count)
    return f"INSERT INTO requests VALUES {rows}"  # noqa: S608  # placeholders only


def is_full(error: sqlite3.Error) -> bool:
    """Return True if the disk has no room or cannot be written, which may pass."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


def is_busy(error: sqlite3.Error) -> bool:
    """Return True if another process has the file."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def row_id(row: JournalEntry) -> int:
    """Return the position of an entry of this kind of journal: the id of its row. Ids only grow."""
    return cast("int", row.position)


def integer(connection: sqlite3.Connection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
