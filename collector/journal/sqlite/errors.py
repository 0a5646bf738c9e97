"""What any use of the journal's file may raise, and how it is named."""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

ERRORS: Final = (sqlite3.Error, OSError, MemoryError)
"""Trouble of the disk or of the machine: it is reported and tried again."""


def name_of(error: Exception) -> str:
    """Return the error's name, without its text: that may hold a path."""
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    return getattr(error, "sqlite_errorname", type(error).__name__)
