"""The check of a journal's file: whether it is whole, and what it holds."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.journal.sqlite.log import log_path
from collector.journal.sqlite.statements import OPEN, integer, is_busy

if TYPE_CHECKING:
    from pathlib import Path


class JournalInUseError(Exception):
    """A collector has the file open, so that no other program can read it."""


class JournalFaultError(Exception):
    """The file cannot be read to its end, by any user."""


class NotAJournalError(JournalFaultError):
    """The file is not a journal, or too little of one. The text says why, for people."""


class DamagedJournalError(JournalFaultError):
    """SQLite cannot read the journal's table to its end; the text is SQLite's."""


FIRST_BYTES: Final = b"SQLite format 3\0"
"""The first bytes of every SQLite file (https://www.sqlite.org/fileformat.html, 1.3)."""

NO_SQLITE: Final = "it does not begin as an SQLite file does: it is another file, or its beginning is lost"
COLUMNS: Final = ["id", "received_at", "body"]


class CheckedJournal(NamedTuple):
    """The content of a journal: the number of submissions, the bytes of their bodies, and the receipt of the oldest and
    the newest (epoch ms; 0 if it is empty).

    `log_bytes` is the size of the write-ahead log beside it, or None if there was none. `is_log_missing` is True if
    there should be one. `damage` is SQLite's description of the damage, or None if the file is whole.
    """

    requests: int
    body_bytes: int
    oldest: int
    newest: int
    log_bytes: int | None
    is_log_missing: bool
    damage: str | None


def check(path: Path) -> CheckedJournal:
    """Read the whole journal at `path`, and copy its write-ahead log into the file, so that the file can be moved.

    Raise `FileNotFoundError` without a file, `JournalInUseError` while a collector has it open, `NotAJournalError` and
    `DamagedJournalError`; `OSError` and `sqlite3.Error` if this user may not read it or the disk fails.
    A file that is not a journal is not changed.
    """
    _require_sqlite(path)
    log = log_path(path)
    log_bytes = log.stat().st_size if log.exists() else None
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            return _read(connection, log_bytes)
        except sqlite3.DatabaseError as error:
            if is_busy(error):
                raise JournalInUseError from None
            if (error.sqlite_errorcode & 0xFF) == sqlite3.SQLITE_NOTADB:
                raise NotAJournalError(NO_SQLITE) from None
            if (error.sqlite_errorcode & 0xFF) == sqlite3.SQLITE_CORRUPT:
                raise DamagedJournalError(str(error)) from None
            raise


def _require_sqlite(path: Path) -> None:
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise NotAJournalError("it is a folder: name the file in it")
    if not stat.S_ISREG(found.st_mode):
        raise NotAJournalError("it is not a regular file")
    with path.open("r+b") as file:
        first = file.read(len(FIRST_BYTES))
    if not os.access(path.parent, os.W_OK | os.X_OK):  # SQLite makes its log there
        raise PermissionError
    if not first:
        raise NotAJournalError(
            "it is empty. If it is a copy, the copy failed: compare it with the original. "
            "A collector begins a new journal in it"
        )
    if first != FIRST_BYTES:
        raise NotAJournalError(NO_SQLITE)


def _read(connection: sqlite3.Connection, log_bytes: int | None) -> CheckedJournal:
    columns = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info('requests')")]
    if columns != COLUMNS:
        raise NotAJournalError("it is an SQLite file without a journal's table: another program made it")
    requests, body_bytes, oldest, newest = connection.execute(
        "SELECT count(*), coalesce(sum(length(body)), 0), coalesce(min(received_at), 0), "
        "coalesce(max(received_at), 0) FROM requests"
    ).fetchone()
    (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    is_log_missing = log_bytes is None and integer(connection, "PRAGMA user_version") == OPEN
    if log_bytes is not None:
        connection.execute("PRAGMA user_version = 0")  # marks it as closed: SQLite deletes the log when it closes
    return CheckedJournal(
        requests,
        body_bytes,
        oldest,
        newest,
        log_bytes,
        is_log_missing,
        None if said == "ok" else str(said).splitlines()[-1],
    )
