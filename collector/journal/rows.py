"""The journal's file: one SQLite table, one row an accepted request."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import time
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from collector.events.batch import Row
from collector.events.model import Rejection, RejectReason, Request, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


SCHEMA = (
    "CREATE TABLE IF NOT EXISTS requests (id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, body BLOB NOT NULL)"
)

MAX_INSERTED = 256
"""Rows of one INSERT: three parameters each, and SQLite may have been built to take 999."""

SHRINK_BYTES = 64 * 1024 * 1024
"""An empty file larger than this gives its pages back to the disk."""

LOOK_SECONDS = 1.0
"""How often it is looked whether the file is still there."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Request)


def encode(request: Request) -> bytes:
    """Returns the row's body."""
    return _encoder.encode(request)


def decode(row: Row) -> Request:
    """Returns the request of a row. A row that cannot be read (a damaged file) becomes a rejection that says so: it reaches the
    dead letters instead of stopping the queue.
    """
    try:
        return _decoder.decode(row.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # Whole, not cut: it was acknowledged. Damaged, or written by a version whose rows were others.
        kept = base64.b64encode(row.body).decode()
        unreadable = Rejection(0, RejectReason.NOT_AN_EVENT, "the journal's row cannot be read", "default", kept)
        return Request(hashlib.sha256(row.body).hexdigest()[:32], row.received_at, Source.PLUGIN, [], [unreadable])


class JournalGoneError(sqlite3.OperationalError):
    """The file was removed or replaced: SQLite would go on writing, into what nobody can open again."""


class JournalRows:
    """The table `requests`. Not safe for use by two threads at once: its owner holds a lock. Raises `sqlite3.Error`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=2)
        path.chmod(0o600)
        execute = self._connection.execute
        # EXCLUSIVE: a second collector on the same file fails at its start instead of taking half of the requests.
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA page_size = 8192")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA journal_size_limit = 67108864")
        execute("PRAGMA wal_autocheckpoint = 2000")
        execute(SCHEMA)
        self._page_bytes = int(self._scalar("PRAGMA page_size"))
        self._path, self._inode, self._look_at = path, path.stat().st_ino, 0.0

    def _scalar(self, sql: str) -> int:
        row = self._connection.execute(sql).fetchone()
        return 0 if row is None or row[0] is None else int(row[0])

    def commit(self, rows: Sequence[Row], *, done_upto: int | None) -> None:
        """Adds `rows` and removes those up to `done_upto`, in one transaction; on disk when it returns.

        Each step of SQLite hands the interpreter to another thread and has to win it back, so there are few steps.
        """
        self._look()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for some in _pieces(rows):
                self._connection.execute(_insertion(len(some)), list(chain.from_iterable(some)))
            if done_upto is not None:
                self._connection.execute("DELETE FROM requests WHERE id <= ?", (done_upto,))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _look(self) -> None:
        if (now := time.monotonic()) < self._look_at:
            return
        try:
            is_there = self._path.stat().st_ino == self._inode
        except OSError:
            is_there = False
        if not is_there:
            raise JournalGoneError
        self._look_at = now + LOOK_SECONDS

    def after(self, row_id: int, *, limit_bytes: int) -> list[Row]:
        """Returns rows past `row_id` in order, at least one if there is one, about `limit_bytes` in all."""
        found: list[Row] = []
        size = 0
        for row in self._connection.execute(
            "SELECT id, received_at, body FROM requests WHERE id > ? ORDER BY id", (row_id,)
        ):
            found.append(Row(*row))
            size += len(found[-1].body)
            if size >= limit_bytes:
                break
        return found

    def count(self) -> int:
        """Returns the number of rows."""
        return self._scalar("SELECT count(*) FROM requests")

    def last_id(self) -> int:
        """Returns the highest id, 0 when there is none."""
        return self._scalar("SELECT max(id) FROM requests")

    def oldest_received_at(self) -> int | None:
        """Returns when the oldest request came (epoch ms)."""
        row = self._connection.execute("SELECT received_at FROM requests ORDER BY id LIMIT 1").fetchone()
        return None if row is None else int(row[0])

    def used_bytes(self) -> int:
        """Returns the bytes of pages in use: what the quota counts. The file itself shrinks only when it is empty."""
        return (self._scalar("PRAGMA page_count") - self._scalar("PRAGMA freelist_count")) * self._page_bytes

    def shrink(self) -> None:
        """Gives a large empty file's pages back to the disk."""
        if self._scalar("PRAGMA page_count") * self._page_bytes > SHRINK_BYTES:
            self._connection.execute("VACUUM")

    def close(self) -> None:
        """Folds the write-ahead log into the file and closes it."""
        self._connection.close()


def _pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cuts the rows into powers of two: few pieces, of few sizes, so that SQLite knows each statement already."""
    at = 0
    while left := len(rows) - at:
        size = min(MAX_INSERTED, 1 << (left.bit_length() - 1))
        yield rows[at : at + size]
        at += size


@cache
def _insertion(count: int) -> str:
    """The statement that adds so many rows."""
    rows = ", ".join(["(?, ?, ?)"] * count)
    return f"INSERT INTO requests VALUES {rows}"  # noqa: S608  # placeholders only
