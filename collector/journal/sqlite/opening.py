"""Opens the journal's file. Its errors say what to do."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from collector.journal.sqlite.journal import SqliteJournal
from duckwatch.base.errors import StartError

if TYPE_CHECKING:
    from collector.config.model import SqliteJournalSettings


def open_file(settings: SqliteJournalSettings) -> SqliteJournal:
    """Open the file. Raise `StartError`."""
    path = settings.path
    try:
        # `is_dir` raises PermissionError below a folder that this user may not enter.
        if path.is_dir():
            raise StartError(f"collector.journal.path: {path} is a folder: name a file in it, like {path}/journal")
        if path.exists() and not path.is_file():
            raise StartError(f"collector.journal.path: {path} is a pipe or a device: name a file on a disk")
        return SqliteJournal(path, settings.max_bytes)
    except PermissionError as error:
        raise StartError(
            f"collector.journal.path: {path} cannot be opened ({error.strerror}): this user must own its folder; "
            f"as root: chown -R USER {path.parent}"
        ) from None
    except (sqlite3.Error, OSError) as error:
        raise StartError(
            f"collector.journal.path: {path} cannot be opened ({error}): "
            "it must be a file in a directory of this user, and no other collector may use it"
        ) from None
