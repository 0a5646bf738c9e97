"""The errors that any use of the journal's file may raise, and their names."""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

ERRORS: Final = (sqlite3.Error, OSError, MemoryError)
"""Errors of the disk or of the machine. They are reported, and the operation is retried."""


def error_name(error: Exception) -> str:
    """Return the name of an error. Its text may hold a path, so it is not used."""
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    return getattr(error, "sqlite_errorname", type(error).__name__)
