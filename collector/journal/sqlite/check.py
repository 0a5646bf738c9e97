"""A check of a journal's file: whether it is whole, and what is in it."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from collector.journal.sqlite.log import log_path
from collector.journal.sqlite.statements import OPEN, is_busy, scalar

if TYPE_CHECKING:
    from pathlib import Path


class JournalInUseError(Exception):
    """A collector has the file open: nobody else can read it."""


class Found(NamedTuple):
    """What a journal holds: its requests, the bytes of their bodies, when the oldest and the newest came (epoch ms; 0 without any).

    `log_bytes`: the size of the write-ahead log that was beside it, None without one. `is_log_missing`: there should be one.
    `damage`: what SQLite finds wrong with the file, None if it is whole.
    """

    requests: int
    body_bytes: int
    oldest: int
    newest: int
    log_bytes: int | None
    is_log_missing: bool
    damage: str | None


def check(path: Path) -> Found:
    """Read the whole journal at `path`. Afterwards the file alone holds all of it, and can be moved.

    Raise `FileNotFoundError` without a file, `JournalInUseError` while a collector has it open, and `sqlite3.Error` for what is no journal.
    """
    log = log_path(path)
    path.stat()
    log_bytes = log.stat().st_size if log.exists() else None
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            return _read(connection, log_bytes)
        except sqlite3.OperationalError as error:
            if is_busy(error):
                raise JournalInUseError from None
            raise


def _read(connection: sqlite3.Connection, log_bytes: int | None) -> Found:
    requests, body_bytes, oldest, newest = connection.execute(
        "SELECT count(*), coalesce(sum(length(body)), 0), coalesce(min(received_at), 0), coalesce(max(received_at), 0) FROM requests"
    ).fetchone()
    (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    is_log_missing = log_bytes is None and scalar(connection, "PRAGMA user_version") == OPEN
    if log_bytes is not None:
        connection.execute("PRAGMA user_version = 0")  # closed: the log is gone when the connection ends
    return Found(
        requests,
        body_bytes,
        oldest,
        newest,
        log_bytes,
        is_log_missing,
        None if said == "ok" else str(said).partition("\n")[0],
    )
