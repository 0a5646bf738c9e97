"""The journal's file: one SQLite table with one row for each submission."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from itertools import chain
from typing import TYPE_CHECKING

from collector.events.model.batch import JournalEntry
from collector.journal.sqlite.log import (
    FOLD_FRAMES,
    PROBE_FRAMES,
    REMOVED_AT_ONCE,
    LogSpace,
    frames_of,
    frames_of_removal,
    log_path,
)
from collector.journal.sqlite.statements import (
    OPEN,
    OPENING,
    PAGE_BYTES,
    SHRINK_BYTES,
    bytes_of,
    insertion,
    integer,
    is_full,
    pieces,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


LOOK_SECONDS = 1.0
"""How often `commit` checks that the file still exists."""


class JournalGoneError(sqlite3.OperationalError):
    """The file was removed or replaced. SQLite would continue to write into a file that cannot be opened again."""


class JournalRows:
    """The table `requests`. Two threads may not use it at once, so its owner holds a lock.

    Every method raises `sqlite3.Error`, also if another process holds the file. A full disk at the start is not an
    error: the first `commit` that finds room creates the file.
    `lacks_log` is True if the file was not closed and its write-ahead log is missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._room: LogSpace | None = None
        self._connection: sqlite3.Connection | None = None
        self._look_at = 0.0
        self._page_bytes, self._pages, self._free_pages = PAGE_BYTES, 0, 0
        self.unseen_frames = 0
        self.lacks_log = False
        self.removed = 0
        is_new = bytes_of(path) == 0
        try:
            self._open()
        except sqlite3.Error as error:
            if not (is_new and is_full(error)):
                raise

    @property
    def _database(self) -> sqlite3.Connection:
        return self._connection or self._open()

    def _open(self) -> sqlite3.Connection:
        has_log = log_path(self._path).exists()
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None, timeout=2)
        try:
            self._path.chmod(0o600)
            for statement in OPENING:
                connection.execute(statement)
            self._page_bytes = integer(connection, "PRAGMA page_size")
            self._room = LogSpace(self._path, page_bytes=self._page_bytes)
        except BaseException:
            connection.close()
            raise
        self._connection, self._inode = connection, self._path.stat().st_ino
        was_open = integer(connection, "PRAGMA user_version") == OPEN
        self.lacks_log = was_open and not has_log
        # On a full disk, the first `commit` that finds room does the rest.
        with contextlib.suppress(sqlite3.Error, OSError):
            self.fold()
            self._room.reserve(0, 0)
            if not was_open:
                connection.execute(f"PRAGMA user_version = {OPEN}")
                self.fold()
        return connection

    def commit(self, rows: Sequence[JournalEntry], *, done_upto: int | None) -> None:
        """Add `rows` and remove the rows up to `done_upto`, in one transaction, which is on disk when the call returns.
        Set `removed` to the number of removed rows.

        Raise `OSError` if the disk has no room for `rows`. After `sqlite3.Error` only `holds` shows whether the
        transaction is in the file. Each step of SQLite gives the interpreter's lock to another thread and must get it
        back, so there are few steps.
        """
        self._look()
        database = self._database
        assert self._room is not None
        self.removed = 0
        frames = frames_of(rows)
        if rows:
            self._make_room(self._room, frames)
        elif not self._room.holds(frames_of_removal(REMOVED_AT_ONCE)):
            self.fold()  # removals without a pause fill the reserved part of the log, and a full disk has no other
        database.execute("BEGIN IMMEDIATE")
        try:
            for some in pieces(rows):
                database.execute(insertion(len(some)), list(chain.from_iterable(some)))
            if done_upto is not None:
                self.removed = database.execute("DELETE FROM requests WHERE id <= ?", (done_upto,)).rowcount
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                with contextlib.suppress(sqlite3.Error):  # the first error has the cause
                    database.execute("ROLLBACK")
            raise
        finally:
            self.unseen_frames += frames
            self._room.note_commit(frames + (0 if done_upto is None else frames_of_removal(self.removed)))

    def holds(self, first_id: int | None, done_upto: int | None) -> bool:
        """Return True if a `commit` that raised is in the file. It added rows from `first_id` on, and removed the rows
        up to `done_upto`.
        """
        if first_id is not None:
            return self.last_id() >= first_id
        oldest = self._scalar("SELECT min(id) FROM requests")
        return oldest == 0 or oldest > (done_upto or 0)

    def _make_room(self, room: LogSpace, frames: int) -> None:
        """Reserve room for `frames`, and for the removal of all rows afterwards.
        Raise `sqlite3.Error` or `OSError` if there is none.
        """
        if room.used_frames and room.used_frames + frames > FOLD_FRAMES:
            self.fold()
        try:
            room.reserve(frames, self._pages_with(frames))
        except OSError:
            if not room.used_frames:
                raise
            self.fold()
            self.used_bytes()
            room.reserve(frames, self._pages_with(frames))

    def _pages_with(self, frames: int) -> int:
        """Return the most pages that the file can have once `frames` more frames are folded into it."""
        return self._pages + max(0, self.unseen_frames + frames - self._free_pages)

    def probe(self) -> None:
        """Raise `sqlite3.Error` or `OSError` unless the disk has room again."""
        self._look()
        self.fold()
        assert self._room is not None
        self._make_room(self._room, PROBE_FRAMES)

    def fold(self) -> None:
        """Copy the write-ahead log into the file, so that the file alone holds everything and the log begins anew."""
        if self._room is not None:
            self._room.note_cut()
        busy, logged, copied = self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if busy or logged != copied:
            raise sqlite3.OperationalError("the write-ahead log cannot be copied into the file")
        if self._room is not None:
            self._room.used_frames = 0

    def begin_anew(self) -> None:
        """Delete the file and create an empty one. This needs no room, for a full disk on which even rows cannot be
        deleted.

        Call it only when every row is stored in the database. Raise `OSError` if the file cannot be deleted (a
        read-only disk), and `JournalGoneError` if another file has its name.
        """
        if self._connection is not None:
            if self._path.exists() and self._path.stat().st_ino != self._inode:
                raise JournalGoneError
            self._path.unlink(missing_ok=True)
            self._discard()
            log_path(self._path).unlink(missing_ok=True)
        self._open()

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        if self._room is not None:
            self._room.close()
            self._room = None

    def _look(self) -> None:
        if self._connection is None or (now := time.monotonic()) < self._look_at:
            return
        try:
            is_there = self._path.stat().st_ino == self._inode
        except OSError:
            is_there = False
        if not is_there:
            raise JournalGoneError
        self._look_at = now + LOOK_SECONDS

    def after(self, row_id: int, *, limit_bytes: int) -> list[JournalEntry]:
        """Return the rows after `row_id` in order, about `limit_bytes` together, but at least one if there is one."""
        found: list[JournalEntry] = []
        size = 0
        for row in self._database.execute(
            "SELECT id, received_at, body FROM requests WHERE id > ? ORDER BY id", (row_id,)
        ):
            found.append(JournalEntry(*row))
            size += len(found[-1].body)
            if size >= limit_bytes:
                break
        return found

    def _scalar(self, sql: str) -> int:
        return 0 if self._connection is None else integer(self._connection, sql)

    def count(self) -> int:
        """Return the number of rows."""
        return self._scalar("SELECT count(*) FROM requests")

    def last_id(self) -> int:
        """Return the highest id, or 0 if there is none."""
        return self._scalar("SELECT max(id) FROM requests")

    def first_id(self) -> int:
        """Return the lowest id, or 0 if there is none."""
        return self._scalar("SELECT min(id) FROM requests")

    def oldest_received_at(self) -> int | None:
        """Return the receipt of the oldest row (epoch ms), or None."""
        return self._scalar("SELECT received_at FROM requests ORDER BY id LIMIT 1") or None

    def used_bytes(self) -> int:
        """Return the bytes of the pages in use, which the quota limits. The file itself shrinks only when it is empty.

        Set `unseen_frames`, the frames since this call, to 0.
        """
        self._pages, self._free_pages = self._scalar("PRAGMA page_count"), self._scalar("PRAGMA freelist_count")
        self.unseen_frames = 0
        return (self._pages - self._free_pages) * self._page_bytes

    def shrink(self) -> None:
        """Give a large empty file's pages back to the disk."""
        if self._scalar("PRAGMA page_count") * self._page_bytes > SHRINK_BYTES:
            self._database.execute("VACUUM")

    def close(self) -> None:
        """Fold the write-ahead log into the file, and close it."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA user_version = 0")
        self._discard()
