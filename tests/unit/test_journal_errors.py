"""SQLite's errors in the journal: the counts follow the file, no request is lost or doubled, and
the journal goes on.
"""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

import pytest

from collector.errors import OverloadedError
from collector.events.model.batch import JournalEntry, Position
from collector.journal.codec import decode_entry, encode_submission
from collector.journal.sqlite import journal as module
from collector.journal.sqlite.journal import SqliteJournal
from collector.journal.sqlite.ledger import JournalLedger
from collector.journal.sqlite.rows import JournalRows
from collector.journal.sqlite.statements import row_id
from tests.servers.process import wait_until
from tests.unit.test_journal import LIMIT, emptied, request, taken_ids, trouble

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ERRORS = [
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_WRITE,
]


class FaultyConnection:
    """A connection to a real file that fails before or after the next statement that begins with `at`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.at, self.code, self.is_after = "-", 0, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        """Execute the statement, and raise if it is the one to fail."""
        if not sql.startswith(self.at):
            return self._connection.execute(sql, *rest)
        self.at = "-"
        if self.is_after:
            self._connection.execute(sql, *rest)
        error = sqlite3.OperationalError("made up")
        error.sqlite_errorcode, error.sqlite_errorname = self.code, "MADE_UP"
        raise error


def make_faulty(journal: SqliteJournal) -> FaultyConnection:
    """Put the failing connection between the journal and its file."""
    rows = journal._ledger._file
    faulty = FaultyConnection(rows._database)
    rows._connection = faulty  # type: ignore[assignment]
    return faulty


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "at", ["COMMIT", "INSERT", "DELETE", "PRAGMA page_count", "SELECT received_at", "PRAGMA wal_ch"]
)
async def test_after_an_error_the_journal_holds_what_the_file_holds(tmp_path: Path, is_after: bool, at: str) -> None:
    """After an error at any statement each acknowledged request comes once, and the count is the file's."""
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    faulty = make_faulty(journal)
    acknowledged = []
    last = 0
    for n in range(15):
        faulty.at, faulty.code, faulty.is_after = at if n % 3 == 1 else "-", ERRORS[n // 3], is_after
        try:
            await journal.append(request(n))
        except OverloadedError:
            continue
        acknowledged.append(f"r{n}")
        if n == 6:
            (first,) = journal.take(max_bytes=1, wait_seconds=1)
            journal.done(first.position)
            last = row_id(first)
    faulty.at = "-"
    await journal.append(request(99))
    wait_until(lambda: journal._ledger.deleted == last, "the first is removed")
    held = journal.state.requests
    found = taken_ids(journal, until=held)
    assert trouble(journal) is None
    assert journal.close()
    assert len(set(found)) == len(found)
    assert {*acknowledged[1:], "r99"} <= set(found)
    rows = JournalRows(tmp_path / "journal")
    assert rows.count() == held
    rows.close()


def test_a_transaction_whose_commit_failed_is_looked_for_before_the_next(tmp_path: Path) -> None:
    """After a failed COMMIT the journal looks in the file for the transaction before it writes, and reuses no id."""
    ledger = JournalLedger(tmp_path / "journal")
    rows = [JournalEntry(Position(1), 1, encode_submission(request(1)))]
    file = ledger._file
    faulty = FaultyConnection(file._database)
    file._connection = faulty  # type: ignore[assignment]
    faulty.at, faulty.is_after = "COMMIT", True
    with pytest.raises(sqlite3.OperationalError):
        ledger.add(rows, 0)
    faulty.at = "SELECT max"
    with pytest.raises(sqlite3.OperationalError):
        ledger.settle()
    assert ledger.settle() == rows
    assert ledger.settle() == ()
    assert (ledger.requests, ledger.last_id) == (1, 1)
    ledger.close()


async def test_an_addition_without_room_does_not_hold_up_a_deletion(tmp_path: Path) -> None:
    """Waiting additions without room do not delay a deletion, which makes room."""
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    for n in range(50):
        await journal.append(request(n, 10_000))
    taken = journal.take(max_bytes=100_000, wait_seconds=1)
    ledger, loop = journal._ledger, asyncio.get_running_loop()
    ledger._file._database.execute("PRAGMA max_page_count = 10")
    senders, left = [asyncio.create_task(journal.append(request(50, 2_000_000)))], []
    add, has_last = ledger.add, asyncio.Event()

    def send_another() -> None:
        senders.append(loop.create_task(journal.append(request(50 + len(senders), 2_000_000))))

    def add_while_another_comes(rows: Sequence[JournalEntry], done: int) -> None:
        left.append(ledger.requests)
        if len(left) == 1:
            journal.done(taken[-1].position)
        if len(left) < 10:
            loop.call_soon_threadsafe(send_another)
            wait_until(lambda: bool(journal._waiting), "another addition waits")
        else:
            loop.call_soon_threadsafe(has_last.set)
        add(rows, done)

    ledger.add = add_while_another_comes  # type: ignore[method-assign]
    async with asyncio.timeout(30):
        await has_last.wait()
        refusals = await asyncio.gather(*senders, return_exceptions=True)
    assert {type(refusal) for refusal in refusals} == {OverloadedError}
    assert left[-1] == 50 - len(taken), "nothing is removed while senders go on"
    assert journal.close()


async def test_a_file_in_which_nothing_can_be_deleted_is_replaced_once_all_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in which deletions fail is replaced, but only once all its requests are stored."""

    def no_room(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError

    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    for n in range(5):
        await journal.append(request(n))
    with monkeypatch.context() as patched:
        patched.setattr(JournalRows, "commit", no_room)
        first, *_, last = journal.take(max_bytes=1 << 20, wait_seconds=1)
        journal.done(first.position)
        wait_until(lambda: trouble(journal) == "failing", "it shows")
        assert journal.state.requests == 5
        journal.done(last.position)
        await emptied(journal)
    await journal.append(request(5))
    assert taken_ids(journal, until=1) == ["r5"]
    assert journal.close()
    again = SqliteJournal(tmp_path / "journal", LIMIT)
    assert taken_ids(again, until=1) == ["r5"]
    assert again.close()


async def test_another_file_of_that_name_is_never_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file of that name is never deleted."""
    monkeypatch.setattr("collector.journal.sqlite.rows.LOOK_SECONDS", 0)
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    await journal.append(request(0))
    (last,) = journal.take(max_bytes=1, wait_seconds=1)
    (tmp_path / "journal").rename(tmp_path / "elsewhere")
    (tmp_path / "journal").write_bytes(b"somebody else's")
    journal.done(last.position)
    with pytest.raises(OverloadedError):
        await journal.append(request(1))
    assert journal.close()
    assert (tmp_path / "journal").read_bytes() == b"somebody else's"


async def test_a_file_that_cannot_be_read_for_a_while_is_read_later(tmp_path: Path) -> None:
    """A file that cannot be read for a while is read later, and the writer does not end."""
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    await journal.append(request(0))
    assert journal.close()
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    faulty = make_faulty(journal)
    faulty.at, faulty.code = "SELECT id, received_at, body", sqlite3.SQLITE_IOERR_READ
    assert journal.take(max_bytes=1, wait_seconds=0) == []
    assert trouble(journal) == "failing"
    assert taken_ids(journal, until=1) == ["r0"]
    assert trouble(journal) is None
    assert journal.close()


async def test_a_disk_that_does_not_answer_is_named_and_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hanging commit is named, requests are refused, `close` does not wait, and afterwards all works."""
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.1)
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.1)
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    answers = threading.Event()
    commit = JournalRows.commit

    def hang(*arguments: Any, **named: Any) -> None:
        answers.wait(30)
        commit(*arguments, **named)

    monkeypatch.setattr(JournalRows, "commit", hang)
    with pytest.raises(OverloadedError):
        await journal.append(request(0))
    assert trouble(journal) == "stuck"
    with pytest.raises(OverloadedError):
        await journal.append(request(1))
    assert not journal.close()
    answers.set()
    wait_until(lambda: trouble(journal) is None, "the disk answers")
    journal._thread.join()


async def test_a_moment_without_memory_ends_neither_the_journal_nor_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A MemoryError refuses one request, and ends neither the journal nor its reader."""
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    await journal.append(request(0))
    assert journal.close()
    journal = SqliteJournal(tmp_path / "journal", LIMIT)

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as short:
        short.setattr(JournalRows, "commit", fail)
        short.setattr(JournalRows, "after", fail)
        with pytest.raises(OverloadedError):
            await asyncio.wait_for(journal.append(request(1)), 5)
        assert trouble(journal) == "failing"
        assert journal.take(max_bytes=1, wait_seconds=0) == []
    await asyncio.wait_for(journal.append(request(2)), 5)
    assert taken_ids(journal, until=2) == ["r0", "r2"]
    assert trouble(journal) is None
    assert journal.close()


LIMITED = """
    import asyncio, resource, sys
    from pathlib import Path
    from collector.errors import OverloadedError
    from collector.journal.sqlite.journal import SqliteJournal
    from tests.unit.test_journal import request

    async def send(journal, first, count, size):
        taken = 0
        for n in range(first, first + count):
            try:
                await journal.append(request(n, size))
            except OverloadedError:
                continue
            print(f"r{n}", flush=True)
            taken += 1
        return taken

    async def main():
        journal = SqliteJournal(Path(sys.argv[1]), 1 << 30)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
        assert await send(journal, 0, 100, 100_000) < 100
        assert journal.state.trouble == "failing"
        half = journal.state.requests // 2
        while journal.state.requests > half:
            if taken := journal.take(max_bytes=1, wait_seconds=0):
                journal.done(taken[-1].position)
            assert journal.state.requests >= half
            await asyncio.sleep(0.01)
        while taken := journal.take(max_bytes=1 << 18, wait_seconds=1):
            journal.done(taken[-1].position)
            await asyncio.sleep(0.01)
        while journal.state.requests:
            await asyncio.sleep(0.01)
        assert await send(journal, 100, 10, 10) == 10
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert await send(journal, 200, 20, 100_000) == 20
        assert journal.state.trouble is None
        assert journal.close()

    asyncio.run(main())
"""


@pytest.mark.parametrize("mib", [2, 3, 5])
def test_files_that_may_not_grow_are_emptied_and_used_again(tmp_path: Path, mib: int) -> None:
    """A limit on file sizes, at every write of SQLite, leaves a journal that is emptied and used again."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    words = [sys.executable, "-c", textwrap.dedent(LIMITED), str(tmp_path / "journal"), str(mib << 20)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    rows = JournalRows(tmp_path / "journal")
    found = [decode_entry(row).request_id for row in rows.after(0, limit_bytes=LIMIT)]
    rows.close()
    said = ended.stdout.split()
    assert found == said[-30:]


KILLED_AT_REST = """
    import asyncio, os, sys
    from pathlib import Path
    from collector.journal.sqlite.journal import SqliteJournal
    from tests.unit.test_journal import request

    async def main():
        journal = SqliteJournal(Path(sys.argv[1]), 1 << 30)
        for n in range(20):
            await asyncio.sleep(0.01)
            await journal.append(request(n))
        os.kill(os.getpid(), 9)

    asyncio.run(main())
"""


def test_where_requests_are_rare_the_file_alone_holds_all_that_was_acknowledged(tmp_path: Path) -> None:
    """With rare requests the file alone holds every acknowledged one; a missing log is reported."""
    subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED_AT_REST), str(tmp_path / "journal")], check=False)
    (tmp_path / "moved").write_bytes((tmp_path / "journal").read_bytes())
    rows = JournalRows(tmp_path / "moved")
    assert rows.lacks_log
    assert rows.count() == 20
    rows.close()


async def test_where_many_wait_for_each_commit_its_log_is_not_folded_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many waiting clients the log is not folded after each commit."""
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    folds, rounds, fold = list[int](), 20, JournalRows.fold

    def counted(rows: JournalRows) -> None:
        folds.append(1)
        fold(rows)

    monkeypatch.setattr(JournalRows, "fold", counted)
    for n in range(rounds):
        await asyncio.gather(*(journal.append(request(64 * n + k)) for k in range(64)))
        await asyncio.sleep(module.QUIET_SECONDS * 1.5)
    assert len(folds) < rounds
    assert journal.close()


async def test_a_log_is_missed_only_where_the_file_was_not_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A missing log is reported only for a file that was not closed."""
    path = tmp_path / "journal"
    for _ in range(2):
        journal = SqliteJournal(path, LIMIT)
        journal.log_start()
        await journal.append(request(0))
        (tmp_path / "copy").write_bytes(path.read_bytes())
        assert journal.close()
    assert [record.levelname for record in caplog.records] == []
    journal = SqliteJournal(tmp_path / "copy", LIMIT)
    journal.log_start()
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.fields == {"missing": str(tmp_path / "copy-wal")}  # type: ignore[attr-defined]
    assert journal.close()
