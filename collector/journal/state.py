"""What health, metrics and the log say of the journal."""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass
from typing import Final

ERRORS: Final = (sqlite3.Error, OSError, MemoryError)
"""What any use of the file may raise: trouble of the disk or of the machine, which is reported and tried again."""


@dataclass(frozen=True, slots=True)
class JournalState:
    """What health and metrics show: requests and bytes held, the quota, when the oldest came (epoch ms), whether the disk fails, whether
    the quota has turned a request away since anything was removed, and whether a call to the disk does not end.
    """

    requests: int
    used_bytes: int
    limit_bytes: int
    oldest_received_at: int | None
    is_failing: bool
    is_refusing: bool
    is_stuck: bool

    @property
    def trouble(self) -> str | None:
        """Why the next request would not be taken: `stuck`, `failing` or `full`; None when it would."""
        if self.is_stuck:
            return "stuck"
        if self.is_failing:
            return "failing"
        return "full" if self.is_refusing or self.used_bytes >= self.limit_bytes else None


def name_of(error: Exception) -> str:
    """Return the error's name, without its text: that may hold a path."""
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    return getattr(error, "sqlite_errorname", type(error).__name__)
