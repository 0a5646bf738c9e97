"""The content of the journal's file as ids and sums. They stay right if SQLite reports an error for a transaction."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, NamedTuple

from collector.journal.sqlite.errors import ERRORS
from collector.journal.sqlite.log import REMOVED_AT_ONCE
from collector.journal.sqlite.rows import JournalRows
from collector.journal.sqlite.statements import row_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from collector.events.model.batch import JournalEntry

UNSEEN_FRAMES = 64
"""After this many frames (512 KiB, or seven turns with few submissions) the size of the file is read from SQLite."""


class _Change(NamedTuple):
    """A transaction: the rows that it adds, and the id up to which it removes (None: nothing)."""

    rows: Sequence[JournalEntry]
    upto: int | None


class JournalLedger:
    """The file and its sums: `requests`, `last_id`, `deleted` (the highest removed id), `used_bytes`, `oldest` (epoch
    ms).

    An error of SQLite does not show whether the transaction is in the file; `settle` finds out. `is_folded` is True if
    nothing is only in the write-ahead log.
    One thread calls `add`, `remove`, `settle`, `fold` and `recover`; another may call `after`. All raise
    `sqlite3.Error` and `OSError`.
    """

    def __init__(self, path: Path) -> None:
        self._file = JournalRows(path)
        self._lock = threading.Lock()  # one user of the SQLite connection at a time
        self._in_doubt: _Change | None = None
        self.requests = self._file.count()
        self.last_id = self._file.last_id()
        self.deleted = self._file.first_id() - 1 if self.requests else self.last_id
        self.is_folded = True
        self.lacks_log = self._file.lacks_log
        self.used_bytes = 0
        self.oldest: int | None = None
        self._look()

    def add(self, rows: Sequence[JournalEntry], done: int) -> None:
        """Add rows, whose ids follow `last_id`, and remove the rows up to `done`, in one transaction."""
        with self._lock:
            self._apply(_Change(rows, done if done > self.deleted else None))

    def remove(self, done: int) -> None:
        """Remove the rows up to `done`, at most REMOVED_AT_ONCE in each transaction."""
        while done > self.deleted:
            with self._lock:
                self._apply(_Change((), min(done, self.deleted + REMOVED_AT_ONCE)))

    def settle(self) -> Sequence[JournalEntry]:
        """Find out whether the transaction that failed is in the file nevertheless. If so, return its added rows."""
        with self._lock:
            change = self._in_doubt
            if change is None:
                return ()
            first = row_id(change.rows[0]) if change.rows else None
            is_in = self._file.holds(first, change.upto)
            self._in_doubt = None
            if not is_in:
                return ()
            self._book(change)
            return change.rows

    def fold(self) -> None:
        """Copy the write-ahead log into the file."""
        with self._lock:
            self._file.fold()
            self.is_folded = True

    def probe(self) -> None:
        """Fold, and raise an error if the disk has no room."""
        with self._lock:
            self._file.probe()
            self.is_folded = True

    def recover(self) -> None:
        """Free a full disk once the database has every row: remove all rows, or begin a new file if that fails."""
        with self._lock:
            try:
                if self.deleted < self.last_id:
                    self._apply(_Change((), self.last_id))
                self._file.fold()
            except ERRORS:
                self._file.begin_anew()
                self._in_doubt = None
                self.requests, self.deleted = 0, self.last_id
                self._look()
            self.is_folded = True

    def after(self, row_id: int, *, limit_bytes: int) -> list[JournalEntry]:
        """Return the rows after `row_id` in order, about `limit_bytes` together."""
        with self._lock:
            return self._file.after(row_id, limit_bytes=limit_bytes)

    def close(self) -> None:
        """Fold the log and close the file."""
        with self._lock:
            self._file.close()

    def _apply(self, change: _Change) -> None:
        self._in_doubt = change
        self._file.commit(change.rows, done_upto=change.upto)
        self._in_doubt = None
        self._book(change)

    def _book(self, change: _Change) -> None:
        self.is_folded = False
        self.requests += len(change.rows) - self._file.removed
        if change.rows:
            self.last_id = row_id(change.rows[-1])
        if change.upto is not None:
            self.deleted = change.upto
        if change.upto is None and self._file.unseen_frames <= UNSEEN_FRAMES:
            self._estimate(change.rows)
        else:
            self._look()

    def _estimate(self, rows: Sequence[JournalEntry]) -> None:
        """Add rows to the sums without a query: after each query the thread must wait for the interpreter's lock."""
        self.used_bytes += sum(len(row.body) for row in rows)
        if self.oldest is None:
            self.oldest = rows[0].received_at or None

    def _look(self) -> None:
        # These values are only shown to people. If they cannot be read now, the next transaction reads them.
        with contextlib.suppress(sqlite3.Error, MemoryError):
            self.used_bytes = self._file.used_bytes()
            self.oldest = self._file.oldest_received_at()
            if not self.requests:
                self._file.shrink()
