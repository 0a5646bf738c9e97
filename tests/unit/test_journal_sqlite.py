"""The journal's SQLite file: freed pages, one owner, damage, a full disk, removal."""

from __future__ import annotations

import base64
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from collector.config.model import SqliteJournalSettings
from collector.errors import OverloadedError
from collector.events.model.batch import JournalEntry, Position
from collector.events.model.event import RejectReason
from collector.journal.codec import decode_entry
from collector.journal.sqlite.journal import SqliteJournal
from collector.journal.sqlite.ledger import JournalLedger
from collector.journal.sqlite.log import REMOVED_AT_ONCE, RESERVED_FRAMES, frames_of_removal, log_path
from collector.journal.sqlite.opening import open_file
from duckwatch.base.errors import StartError
from tests.unit.test_journal import LIMIT, emptied, request, taken_ids, trouble

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def test_a_large_file_gives_its_pages_back_once_it_is_empty(tmp_path: Path) -> None:
    """A large file gives its pages back to the disk once it is empty."""
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    for n in range(30):
        await journal.append(request(n, 3 << 20))
    while got := journal.take(max_bytes=1 << 20, wait_seconds=0):
        journal.done(got[-1].position)
    await emptied(journal)
    journal.close()
    assert (tmp_path / "journal").stat().st_size < 1 << 20


async def test_a_second_collector_on_the_same_file_is_refused(tmp_path: Path) -> None:
    """A second collector on the same file is refused, because each would take half of the requests."""
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    with pytest.raises(sqlite3.OperationalError):
        SqliteJournal(tmp_path / "journal", LIMIT)
    journal.close()


async def test_a_damaged_row_becomes_a_rejection(tmp_path: Path) -> None:
    """A damaged row becomes a dead letter, and delays no other row."""
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    await journal.append(request(0))
    await journal.append(request(1))
    journal.close()
    with sqlite3.connect(tmp_path / "journal") as file:
        file.execute("UPDATE requests SET body = x'c1ff' WHERE id = 1")
    file.close()
    again = SqliteJournal(tmp_path / "journal", LIMIT)
    damaged, good = (decode_entry(row) for row in again.take(max_bytes=1 << 20, wait_seconds=1))
    assert damaged.rejections[0].reason is RejectReason.NOT_AN_EVENT
    assert base64.b64decode(damaged.rejections[0].raw) == b"\xc1\xff"  # an acknowledged request is never discarded
    assert good == request(1)
    again.close()


async def test_a_disk_that_takes_nothing_is_answered_and_mends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk refuses requests, loses no acknowledged one, and works again with room."""
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    await journal.append(request(0))
    # SQLite's own limit on the file gives the error of a full disk, SQLITE_FULL.
    journal._ledger._file._database.execute("PRAGMA max_page_count = 10")
    with pytest.raises(OverloadedError):
        await journal.append(request(1, 500_000))
    assert trouble(journal) == "failing"
    journal._ledger._file._database.execute("PRAGMA max_page_count = 1073741823")
    await journal.append(request(2))
    assert trouble(journal) is None
    assert taken_ids(journal, until=2) == ["r0", "r2"]
    journal.close()


def with_requests(path: Path, number: int, size: int) -> JournalLedger:
    """Return a journal file of that many requests of `size` bytes, all folded into the file."""
    ledger = JournalLedger(path)
    for first in range(1, number + 1, 20):
        last = min(first + 19, number)
        ledger.add([JournalEntry(Position(n), 1, os.urandom(size)) for n in range(first, last + 1)], 0)
        ledger.fold()
    return ledger


@pytest.mark.parametrize("removed", [1, 100, REMOVED_AT_ONCE])
@pytest.mark.parametrize("size", [500, 2_600, 18_500, 30_000])
def test_a_removal_takes_no_more_frames_than_it_counts(tmp_path: Path, size: int, removed: int) -> None:
    """A removal takes as few frames of the log as are reserved for it: it does not write the pages that it frees."""
    ledger = with_requests(tmp_path / "journal", removed + 1, size)
    ledger.remove(removed)
    _, frames, _ = ledger._file._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert 0 < frames <= frames_of_removal(removed) <= RESERVED_FRAMES
    ledger.close()


def test_removals_without_a_pause_need_no_new_room(tmp_path: Path) -> None:
    """Removals without a pause use the log again instead of lengthening it: a full disk has no room for more."""
    ledger = with_requests(tmp_path / "journal", 200, 9_000)
    before = log_path(tmp_path / "journal").stat().st_size
    while ledger.requests:
        ledger.remove(ledger.deleted + 1)
    assert log_path(tmp_path / "journal").stat().st_size <= before
    ledger.close()


async def test_a_file_that_was_removed_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A removed file takes no further requests, which would be lost with the process, but gives out its own."""
    monkeypatch.setattr("collector.journal.sqlite.rows.LOOK_SECONDS", 0)
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    await journal.append(request(0))
    (tmp_path / "journal").unlink()
    with pytest.raises(OverloadedError):
        await journal.append(request(1))
    assert trouble(journal) == "failing"
    assert taken_ids(journal, until=1) == ["r0"]
    journal.close()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(os.devnull)], ids=["pipe", "device"])
def test_a_journal_that_is_no_file_is_named_at_the_start(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """SQLite opens a pipe or a device, and fails at the first write only."""
    path = tmp_path / "journal"
    make(path)
    with pytest.raises(StartError, match="is a pipe or a device"):
        open_file(SqliteJournalSettings(path=path))
