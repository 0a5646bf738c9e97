"""Assembling batches: each identity once, and no event lost when reading or the assembler's process fails."""

from __future__ import annotations

import errno
import fcntl
import logging
import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import synchronize
from typing import TYPE_CHECKING, Any

import pytest

from collector.assembly import PIPE_BYTES, Assembler
from collector.events.model.batch import JournalEntry, Position
from collector.events.model.event import Entry, Heartbeat, MailEvent, RejectReason, Source, Submission
from collector.events.model.tally import tally
from collector.events.sources import zonemta
from collector.journal.codec import encode_submission
from collector.pipeline.batch import assemble
from collector.store.writing.copy_text import encode_copy as copy_text
from tests.servers.process import wait_until
from tests.unit.events.entries import grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_795_495_017_000


def request(n: int, events: int = 3, heartbeat: Heartbeat | None = None) -> Submission:
    """Return a request of some events that carry its name."""
    entries = [
        Entry(k, NOW + n, "eu1", "mta1", "receiver", {"id": f"q{n}x{k}", "action": "QUEUED", "to": "a@b.example"})
        for k in range(events)
    ]
    return Submission(f"r{n}", NOW, Source.PLUGIN, grouped(entries), [], heartbeat)


def rows(*requests: Submission) -> list[JournalEntry]:
    """Return requests as journal entries."""
    return [JournalEntry(Position(n), one.received_at, encode_submission(one)) for n, one in enumerate(requests, 1)]


@pytest.fixture
def assembler() -> Iterator[Assembler]:
    """Yield an assembler with its process."""
    made = Assembler({})
    yield made
    made.close()


def test_an_identity_stands_once_in_a_batch() -> None:
    """A repeated request in a batch gives its rows once, and the repeat is counted."""
    batch, repeated = assemble([request(1), request(2), request(1)], {})
    assert [event.event_id for event in batch.events] == [f"q{n}x{k}:queued" for n in (1, 2) for k in range(3)]
    assert repeated == {Source.PLUGIN: 3}


def test_only_the_newest_report_of_a_process_is_kept() -> None:
    """Only the newest heartbeat of a process is kept, because a plugin may send one with each event."""
    reports = [Heartbeat("eu1", "mta1", "p", "0.1.0", n, None, 0) for n in range(3)]
    batch, _ = assemble([request(n, 1, report) for n, report in enumerate(reports)], {})
    assert [seen.heartbeat for seen in batch.heartbeats] == reports[-1:]


def test_reports_are_in_the_order_of_their_receipt() -> None:
    """Heartbeats are in the order of their receipt, each with its request."""
    reports = [Heartbeat("eu1", "mta1", process, "0.1.0", n, None, 0) for n, process in enumerate("aba")]
    requests = [request(n, 1, report) for n, report in enumerate(reports)]
    batch, _ = assemble(requests, {})
    assert [(seen.heartbeat, seen.request_id) for seen in batch.heartbeats] == [
        (reports[n], requests[n].request_id) for n in (1, 2)
    ]


def test_an_event_that_our_own_reading_fails_on_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event on which the reader fails becomes a dead letter with its content, and delays no other."""
    reading = zonemta.mail_event

    def fail_on_one(entry: Entry, **rest: Any) -> MailEvent:
        if entry.fields["id"] == "q3x1":
            raise ZeroDivisionError
        return reading(entry, **rest)

    monkeypatch.setattr(zonemta, "mail_event", fail_on_one)
    batch, _ = assemble([request(n) for n in range(6)], {})
    assert len(batch.events) == 17
    (letter,) = batch.letters
    assert letter.reason is RejectReason.UNREAD
    assert letter.letter_id == "r3:1"
    assert "q3x1" in letter.raw


def test_the_process_makes_what_this_process_would(assembler: Assembler) -> None:
    """The assembler's process makes the same batch as this process would: text, sums, numbers, events."""
    waiting = rows(request(1), request(2), request(1))
    here, repeated = assemble([request(1), request(2), request(1)], {})
    batch, repeated_there = assembler(waiting)()
    assert batch.copy_text == copy_text(here.events)
    assert batch.tally == tally(here.events)
    assert len(batch.events) == 6
    assert list(batch.events) == list(here.events)
    assert repeated_there == repeated


@pytest.mark.skipif(sys.platform != "linux", reason="pipes have a size to set on Linux only")
def test_a_batch_passes_between_the_processes_in_large_pieces(assembler: Assembler) -> None:
    """The pipes between the processes are larger than the default of 64 KiB."""
    result_pipe = assembler._pool._result_queue._writer.fileno()  # type: ignore[attr-defined]
    assert fcntl.fcntl(result_pipe, fcntl.F_GETPIPE_SZ) == PIPE_BYTES


def test_a_process_that_dies_is_replaced(assembler: Assembler) -> None:
    """A killed process is replaced, and the next assembles the same rows."""
    waiting = rows(request(1))
    for _ in range(3):
        assert len(assembler(waiting)()[0].events) == 3
        (pid,) = assembler._pool._processes
        os.kill(pid, signal.SIGKILL)
    assert len(assembler(waiting)()[0].events) == 3


def test_batches_under_way_when_it_dies_are_assembled_again(assembler: Assembler) -> None:
    """Batches under way at the process's death are assembled again, whole and in order."""
    assembler(rows(request(0)))()
    (pid,) = assembler._pool._processes
    os.kill(pid, signal.SIGSTOP)
    coming = [assembler(rows(request(n))) for n in (1, 2, 3)]
    os.kill(pid, signal.SIGKILL)
    assert [batch()[0].events[0].event_id for batch in coming] == [f"q{n}x0:queued" for n in (1, 2, 3)]


def test_a_process_that_does_not_answer_is_named_and_replaced(
    assembler: Assembler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that does not answer in time is named and replaced, and the next builds its batches in order."""
    assembler(rows(request(0)))()
    (pid,) = assembler._pool._processes
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr("collector.assembly.DEADLINE_SECONDS", 1.0)
    assembler._waits._seconds = 0.1
    coming = [assembler(rows(request(n))) for n in (1, 2, 3)]
    with ThreadPoolExecutor(1) as writer:
        first = writer.submit(coming[0])
        wait_until(lambda: assembler.trouble == "stuck", "it is named")
        monkeypatch.setattr("collector.assembly.DEADLINE_SECONDS", 30.0)
        assert first.result()[0].events[0].event_id == "q1x0:queued"
    assert assembler.trouble is None
    assert [batch()[0].events[0].event_id for batch in coming[1:]] == [f"q{n}x0:queued" for n in (2, 3)]
    assert not is_alive(pid)


def test_a_stopped_process_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped process is killed at the collector's end."""
    monkeypatch.setattr("collector.assembly.CLOSE_SECONDS", 0.1)
    assembler = Assembler({})
    assembler(rows(request(0)))()
    (pid,) = assembler._pool._processes
    os.kill(pid, signal.SIGSTOP)
    assembler.close()
    wait_until(lambda: not is_alive(pid), "the process has ended")


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("concurrent.futures.process._ExecutorManagerThread.start", RuntimeError("can't start new thread")),
        ("concurrent.futures.process.ProcessPoolExecutor._spawn_process", OSError(errno.EAGAIN, "no process")),
    ],
    ids=["no thread", "no process"],
)
def test_a_process_that_could_not_be_used_is_not_left_behind(
    monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    """A process that could not be used during a shortage leaves neither processes nor rows behind."""

    def fail(*_: object) -> None:
        raise error

    before = set(multiprocessing.active_children())
    assembler = Assembler({})
    with monkeypatch.context() as short:
        short.setattr(where, fail)
        for n in range(3):
            with pytest.raises(type(error)):
                assembler(rows(request(n)))
        wait_until(lambda: set(multiprocessing.active_children()) <= before, "no process is left")
    batch, _ = assembler(rows(request(4)))()
    assert [event.event_id for event in batch.events] == [f"q4x{k}:queued" for k in range(3)]
    assert assembler._pool._queue_count == 1
    assembler.close()


def test_rows_that_kill_the_process_are_assembled_here(assembler: Assembler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that kill the process are assembled in this process."""
    monkeypatch.setattr("collector.assembly.assembled", os.abort)
    monkeypatch.setattr("collector.assembly.ATTEMPTS", 0)
    batch, _ = assembler(rows(request(1), request(2)))()
    assert [event.event_id for event in batch.events] == [f"q{n}x{k}:queued" for n in (1, 2) for k in range(3)]


def test_a_fault_in_the_process_leaves_the_reading_to_this_one(
    assembler: Assembler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fault in the process, this process reads the rows, with the same result."""
    monkeypatch.setattr("collector.assembly.assembled", operator.truediv)
    batch, _ = assembler(rows(request(1), request(2)))()
    assert [event.event_id for event in batch.events] == [f"q{n}x{k}:queued" for n in (1, 2) for k in range(3)]


def test_signals_to_the_group_are_the_parents_to_answer(assembler: Assembler) -> None:
    """The process ignores Ctrl-C and SIGTERM to its group, until the journal is written."""
    assembler(rows(request(1)))()
    (pid,) = assembler._pool._processes
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    assert len(assembler(rows(request(2)))()[0].events) == 3
    assert list(assembler._pool._processes) == [pid]


def formatters() -> list[str]:
    """Return the log formatters of the process."""
    return [type(handler.formatter).__module__ for handler in logging.getLogger().handlers]


def test_the_process_logs_as_the_collector_does(assembler: Assembler) -> None:
    """The process logs as the collector does: Python's default would print an exception's text."""
    assert assembler._pool.submit(formatters).result() == ["duckwatch.base.logs"]


ORPHANED = """
    import sys, time
    from collector.assembly import PIPE_BYTES, Assembler
    from collector.events.model.batch import JournalEntry

    if __name__ == "__main__":
        assembler = Assembler({})
        assembler([JournalEntry(1, 1, b"")])()
        print(*assembler._pool._processes, flush=True)
        time.sleep(60)
"""


def test_the_process_does_not_outlive_its_parent(tmp_path: Any) -> None:
    """The process ends when the collector is killed."""
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(ORPHANED), encoding="utf-8")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not is_alive(child), "the process has ended")


def is_alive(pid: int) -> bool:
    """Return False for an ended process, also a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123  # a file of the kernel
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_the_process_imports_neither_server_nor_database() -> None:
    """The process imports neither server nor database, which would double its memory."""
    program = (
        "import sys, collector.assembly; print({'aiohttp', 'asyncio', 'psycopg', 'pydantic'} & sys.modules.keys())"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


def test_no_shared_memory_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shared memory is needed: a hardened container may have no writable /dev/shm."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(synchronize.SemLock, "__init__", refuse)
    made = Assembler({})
    try:
        waiting = [made(rows(*(request(n) for n in range(first, first + 20)))) for first in range(0, 200, 20)]
        assert [len(finish()[0].events) for finish in waiting] == [60] * 10
        assert made._pool._processes
    finally:
        made.close()
