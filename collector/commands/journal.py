"""`journal check`: check that a journal's file is whole, and print how much it holds."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collector.journal.sqlite.check import (
    DamagedJournalError,
    JournalFaultError,
    JournalInUseError,
    NotAJournalError,
    check,
)
from collector.journal.sqlite.log import log_path
from collector.operations.doctor.installation import Installation

if TYPE_CHECKING:
    from pathlib import Path

    from collector.config import Settings
    from collector.journal.sqlite.check import CheckedJournal


def run(settings: Settings, path: Path | None) -> int:
    """Print how much the journal at `path` holds, without any content. Return 1 if it is damaged or incomplete."""
    configured = settings.collector.journal.path
    path = path or configured
    try:
        found = check(path)
    except JournalInUseError:
        return _ask_collector(settings, path, is_ours=path.absolute() == configured.absolute())
    except (JournalFaultError, sqlite3.Error, OSError) as error:
        print(f"{path}: {_fault(path, error)}")
        return 1
    return _print(path, found)


def _fault(path: Path, error: Exception) -> str:
    """Return why the file cannot be read, and what to do."""
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case PermissionError():
            return (
                "this user may not read and write it and its folder: "
                "run the command as the collector's user, or as root"
            )
        case NotAJournalError():
            return f"this is not a journal: {error}"
        case DamagedJournalError():
            return (
                f"the journal is damaged, and cannot be read to its end ({error})\n"
                f"keep a copy of it and of {log_path(path)}; SQLite's own shell makes another journal of what can "
                f"be read:\n"
                f"  sqlite3 {path} .dump | sed 's/^ROLLBACK;.*/COMMIT;/' | sqlite3 {path}.saved"
            )
        case OSError(strerror=reason):
            return f"cannot be read ({reason}): is its disk well, not full, and not read-only?"
        case _:
            return f"cannot be read ({error}): is its disk well, not full, and not read-only?"


def _print(path: Path, found: CheckedJournal) -> int:
    print(f"{path}: {found.requests} requests, {found.body_bytes} bytes{_span(found)}")
    if found.damage is not None:
        print(f"damaged: {found.damage}")
        print("a collector that is started with this file stores what can be read of it; keep a copy of the file first")
    if found.is_log_missing:
        print(
            f"{log_path(path)} is missing: the file was in use when it was last seen, "
            f"and the latest requests may be in that file. "
            "Bring it from where the journal was, and check again"
        )
    elif found.log_bytes is not None:
        print(f"{log_path(path)} ({found.log_bytes} bytes) is folded into it: this one file is the whole journal now")
    return 1 if found.damage is not None or found.is_log_missing else 0


def _span(found: CheckedJournal) -> str:
    return f", received from {_time(found.oldest)} to {_time(found.newest)}" if found.requests else ""


def _time(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="seconds")


def _ask_collector(settings: Settings, path: Path, *, is_ours: bool) -> int:
    """Print the metrics of the collector that has the file open. Return 0, or 1 if no collector answers."""
    if not is_ours:
        print(f"{path}: a collector has it open; ask it with that collector's --config")
        return 1
    installation = Installation(settings.collector, None)
    try:
        requests, used = (installation.metric(f"duckwatch_journal_{name}") for name in ("requests", "bytes"))
        age = installation.metric("duckwatch_journal_oldest_age_seconds")
    except (OSError, ValueError):
        print(
            f"{path}: a process has it open, and no collector answers on {installation.url}: stop that process, "
            f"then check again"
        )
        return 1
    print(
        f"{path}: in use by the collector on {installation.url}, which says: {requests or 0:.0f} requests, "
        f"{used or 0:.0f} bytes used"
    )
    print(f"the oldest has waited for {age or 0:.0f} s; stop the collector to have the file itself checked")
    return 0
