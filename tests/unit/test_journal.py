"""The journal: durable when acknowledged, in order, each request once, bounded."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from collector.errors import OverloadedError
from collector.events.model.batch import Row
from collector.events.model.event import Group, RejectReason, Request, Source
from collector.journal.handover import MEMORY_BYTES
from collector.journal.journal import Journal
from collector.journal.rows import JournalRows, decode, encode

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 1 << 30


def request(n: int, size: int = 10) -> Request:
    """A request that names itself."""
    return Request(f"r{n}", 1000 + n, Source.PLUGIN, [Group("c", None, None, ("pad",), [[0, n, None, "x" * size]])], [])


def taken_ids(journal: Journal, *, until: int) -> list[str]:
    """Takes until so many came."""
    found: list[str] = []
    while len(found) < until:
        got = journal.take(max_bytes=1 << 20, wait_seconds=5)
        assert got, f"only {len(found)} of {until} came"
        found += [decode(row).request_id for row in got]
    return found


def trouble(journal: Journal) -> str | None:
    """Asks anew (mypy would remember the last answer)."""
    return journal.state.trouble


async def emptied(journal: Journal) -> None:
    """Returns once nothing is left in the journal."""
    async with asyncio.timeout(20):
        while journal.state.requests:  # noqa: ASYNC110  # the journal has no event for it, nobody else waits for that
            await asyncio.sleep(0.01)


async def test_requests_come_out_in_the_order_in_which_they_went_in(tmp_path: Path) -> None:
    """Concurrent requests keep the order of their arrival."""
    journal = Journal(tmp_path / "journal", LIMIT)
    await asyncio.gather(*(journal.append(request(n)) for n in range(500)))
    assert taken_ids(journal, until=500) == [f"r{n}" for n in range(500)]
    assert journal.take(max_bytes=1, wait_seconds=0) == []
    journal.close()


async def test_what_is_not_done_comes_again_after_a_restart(tmp_path: Path) -> None:
    """Only `done` removes; the rest is replayed once, in order, and new requests follow it."""
    journal = Journal(tmp_path / "journal", LIMIT)
    for n in range(10):
        await journal.append(request(n))
    first = journal.take(max_bytes=100, wait_seconds=1)
    journal.done(first[-1].id)
    journal.close()
    again = Journal(tmp_path / "journal", LIMIT)
    await again.append(request(10))
    left = [f"r{n}" for n in range(len(first), 11)]
    assert taken_ids(again, until=len(left)) == left
    again.close()


async def test_more_than_memory_holds_is_read_back_from_the_file_in_order(tmp_path: Path) -> None:
    """A long outage of the database: the writer gets everything, once, also what arrives while it catches up."""
    journal = Journal(tmp_path / "journal", LIMIT)
    big = MEMORY_BYTES // 20
    for n in range(50):
        await journal.append(request(n, big))
    found = taken_ids(journal, until=30)
    for n in range(50, 60):
        await journal.append(request(n, big))
    found += taken_ids(journal, until=60 - len(found))
    await journal.append(request(60))
    found += taken_ids(journal, until=1)
    assert found == [f"r{n}" for n in range(61)]
    journal.close()


async def test_the_quota_counts_used_pages_and_frees_with_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Past the quota a request is refused with a time to come back; what is done makes room again. The log has a line for each."""
    journal = Journal(tmp_path / "journal", 1 << 20)
    answers = await asyncio.gather(*(journal.append(request(n, 50_000)) for n in range(30)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, OverloadedError)]
    assert all(answer.retry_after for answer in refused)
    assert 9 <= len(refused) <= 15
    assert journal.state.requests == 30 - len(refused)
    assert trouble(journal) == "full"  # though a small request would still fit
    last = 0
    while got := journal.take(max_bytes=1 << 20, wait_seconds=0):
        last = got[-1].id
    journal.done(last)
    await emptied(journal)
    assert journal.state.oldest_received_at is None
    assert trouble(journal) is None
    await journal.append(request(99, 50_000))
    assert [line.split(":")[0] for line in caplog.messages] == ["the journal is full", "the journal has room again"]
    journal.close()


async def test_a_large_file_gives_its_pages_back_once_it_is_empty(tmp_path: Path) -> None:
    """After an outage the disk is free again."""
    journal = Journal(tmp_path / "journal", LIMIT)
    for n in range(30):
        await journal.append(request(n, 3 << 20))
    last = 0
    while got := journal.take(max_bytes=1 << 20, wait_seconds=0):
        last = got[-1].id
    journal.done(last)
    await emptied(journal)
    journal.close()
    assert (tmp_path / "journal").stat().st_size < 1 << 20


async def test_a_second_collector_on_the_same_file_is_refused(tmp_path: Path) -> None:
    """Two would each take half of the requests."""
    journal = Journal(tmp_path / "journal", LIMIT)
    with pytest.raises(sqlite3.OperationalError):
        Journal(tmp_path / "journal", LIMIT)
    journal.close()


async def test_a_damaged_row_becomes_a_rejection(tmp_path: Path) -> None:
    """It reaches the dead letters; the rows behind it are not held back."""
    journal = Journal(tmp_path / "journal", LIMIT)
    await journal.append(request(0))
    await journal.append(request(1))
    journal.close()
    with sqlite3.connect(tmp_path / "journal") as file:
        file.execute("UPDATE requests SET body = x'c1ff' WHERE id = 1")
    file.close()
    again = Journal(tmp_path / "journal", LIMIT)
    damaged, good = (decode(row) for row in again.take(max_bytes=1 << 20, wait_seconds=1))
    assert damaged.rejections[0].reason is RejectReason.NOT_AN_EVENT
    assert (
        base64.b64decode(damaged.rejections[0].raw) == b"\xc1\xff"
    )  # it was acknowledged: nothing of it is thrown away
    assert good == request(1)
    again.close()


async def test_a_disk_that_takes_nothing_is_answered_and_mends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk refuses the request and loses nothing that was acknowledged; room brings the journal back."""
    journal = Journal(tmp_path / "journal", LIMIT)
    await journal.append(request(0))
    # SQLite's own limit on the file gives the very error of a full disk: SQLITE_FULL.
    journal._ledger._file._database.execute("PRAGMA max_page_count = 10")
    with pytest.raises(OverloadedError):
        await journal.append(request(1, 500_000))
    assert trouble(journal) == "failing"
    journal._ledger._file._database.execute("PRAGMA max_page_count = 1073741823")
    await journal.append(request(2))
    assert trouble(journal) is None
    assert taken_ids(journal, until=2) == ["r0", "r2"]
    journal.close()


async def test_a_file_that_was_removed_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite would write on into a file without a name: what is acknowledged then is gone with the process. What it held is handed out."""
    monkeypatch.setattr("collector.journal.rows.LOOK_SECONDS", 0)
    journal = Journal(tmp_path / "journal", LIMIT)
    await journal.append(request(0))
    (tmp_path / "journal").unlink()
    with pytest.raises(OverloadedError):
        await journal.append(request(1))
    assert trouble(journal) == "failing"
    assert taken_ids(journal, until=1) == ["r0"]
    journal.close()


async def test_a_client_that_goes_away_does_not_disturb_the_others(tmp_path: Path) -> None:
    """Its request is kept or not; the group commit goes on."""
    journal = Journal(tmp_path / "journal", LIMIT)
    gone = asyncio.create_task(journal.append(request(0)))
    stays = asyncio.create_task(journal.append(request(1)))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert taken_ids(journal, until=2) == ["r0", "r1"]
    journal.close()


class First(msgspec.Struct, frozen=True, array_like=True):
    """A request as the first version of the program keeps and reads it."""

    request_id: str
    received_at: int
    source: Source
    groups: list[Any]
    rejections: list[Any]
    report: Any = None


def test_old_and_new_versions_read_each_others_rows() -> None:
    """An upgrade, and a way back, find the journal as they left it: what the other does not know is passed over."""
    old = First("r1", 1001, Source.PLUGIN, [["c", None, None, ["pad"], [[0, 1, None, "x"]]]], [])
    assert decode(Row(1, 1001, msgspec.msgpack.encode(old))) == request(1, 1)
    new = msgspec.structs.replace(request(1, 1), trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    assert decode(Row(1, 1001, encode(new))) == new
    read = msgspec.msgpack.decode(encode(new), type=First)
    assert (read.request_id, read.groups[0][-1], read.report) == ("r1", [[0, 1, None, "x"]], None)


KILLED = """
    import asyncio, sys
    from pathlib import Path
    from collector.events.model.event import Group, Request, Source
    from collector.journal.journal import Journal

    async def main():
        journal = Journal(Path(sys.argv[1]), 1 << 30)
        n = 0
        async def one(n):
            await journal.append(Request(f"r{n}", n, Source.PLUGIN, [Group("c", None, None, (), [[0, n, None]])], []))
            print(n, flush=True)
        while True:
            await asyncio.gather(*(one(n + k) for k in range(20)))
            n += 20

    asyncio.run(main())
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """A process that prints each acknowledgement is killed: all that it printed is in the file."""
    for round_number in range(3):
        path = tmp_path / f"journal{round_number}"
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(KILLED), str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(100 + 57 * round_number)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [int(text) for text in process.stdout.read().splitlines() if text.isdigit()]
        process.wait()
        process.stdout.close()
        rows = JournalRows(path)
        assert set(acknowledged) <= {row.received_at for row in rows.after(0, limit_bytes=LIMIT)}
        rows.close()
