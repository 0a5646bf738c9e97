"""The assembler: a process of its own that turns journal rows into a batch ready to be written.

Building rows is most of the collector's work, and Python computes in one thread at a time:
in a process of its own it uses a second core, and never makes an acknowledgement wait. It holds no state:
when it dies, the rows are assembled again, by a new one or in this process.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from collector.events.columnar.zonemta_columns import columns_of
from collector.events.model.batch import LazyEvents
from collector.events.model.event import identity
from collector.events.model.tally import tally, tally_columns
from collector.journal.codec import decode
from collector.pipeline.batch import assemble
from collector.store.writing.copy_text import encode, encode_columns
from collector.unshared import OneProcessContext
from collector.waits import STUCK, Waits
from duckwatch.base import logs

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from collector.events.model.batch import Batch, JournalEntry
    from collector.events.model.columns import Columns
    from collector.events.model.event import Group, MailEvent, Source, Submission

_Made: TypeAlias = "tuple[Batch, int, Counter[Source]]"
_Coming: TypeAlias = "tuple[Future[_Made], ProcessPoolExecutor]"

log = logging.getLogger(__name__)

ATTEMPTS = 2

DEADLINE_SECONDS = 10.0
"""A batch takes a fraction of a second, and the process's start a few.

What takes longer is killed, and another process begins.
"""

STUCK_SECONDS = 4.0
CLOSE_SECONDS = 2.0

PIPE_BYTES = 1 << 20
"""What Linux lets a user have (pipe-max-size); a pipe has 64 KiB."""


class Assembler:
    """Assembles rows in its own process. For one thread."""

    def __init__(self, public_ips: Mapping[str, str]) -> None:
        self._public_ips = dict(public_ips)
        self._pool = self._start()
        self._waits = Waits(STUCK_SECONDS)
        self._is_stuck = False

    @property
    def trouble(self) -> str | None:
        """`STUCK` while a batch takes too long, and after a process was killed for that until the next one has built a
        batch.
        """
        return STUCK if self._is_stuck else self._waits.trouble

    def __call__(self, rows: Sequence[JournalEntry]) -> Callable[[], tuple[Batch, Counter[Source]]]:
        """Begins to assemble; what it returns waits for the batch, its COPY text and tally made,
        and the number of repeated events by source. Raises nothing, nor does that.
        """
        return partial(self._finish, rows, self._submit(rows))

    def _finish(self, rows: Sequence[JournalEntry], coming: _Coming) -> tuple[Batch, Counter[Source]]:
        for _ in range(ATTEMPTS):
            made, pool = coming
            if pool is not self._pool:  # it was killed with batches under way
                made, _ = coming = self._submit(rows)
            try:
                with self._waits.one():
                    batch, count, repeated = made.result(DEADLINE_SECONDS)
            except BrokenProcessPool:
                coming = self._submit(rows)
                continue
            except TimeoutError:
                self._replace()
                continue
            except Exception:
                # A fault of ours: one by one is the way that cannot fail.
                log.exception("assembling by column failed")
                break
            self._is_stuck = False
            events = LazyEvents(count, partial(self._events, rows))
            return replace(batch, events=events), repeated
        # Something about these rows, or this machine, kills it: slower, but sure.
        return assemble([decode(row) for row in rows], self._public_ips)

    def _submit(self, rows: Sequence[JournalEntry]) -> _Coming:
        try:
            return self._give(rows)
        except (
            RuntimeError
        ) as error:  # BrokenProcessPool is one; so is a pool that was ended, or could not start its thread
            if isinstance(error, BrokenProcessPool):
                log.warning("the assembler's process has died")
            self._pool = self._start()
            return self._give(rows)

    def _give(self, rows: Sequence[JournalEntry]) -> _Coming:
        """Hand the rows to the pool. End a pool that fails at it:
        it would keep these rows, and a process that it has started already.
        """
        pool = self._pool
        try:
            return pool.submit(assembled, rows, self._public_ips), pool
        except BaseException:
            _end(pool, 0)
            raise

    def _replace(self) -> None:
        """Kill a process that does not come to an end (a stopped one, too), and start another."""
        log.error("the assembler's process does not answer: it is replaced")
        self._is_stuck = True
        _end(self._pool, 0)
        self._pool = self._start()

    def close(self) -> None:
        """End the process, by force if it does not end by itself."""
        _end(self._pool, CLOSE_SECONDS)

    def _events(self, rows: Sequence[JournalEntry]) -> Sequence[MailEvent]:
        return assemble([decode(row) for row in rows], self._public_ips)[0].events

    @staticmethod
    def _start() -> ProcessPoolExecutor:
        # spawn: a fork would copy the threads' locks and the journal's descriptors.
        pool = ProcessPoolExecutor(1, OneProcessContext(), initializer=live_with_the_parent)
        _widen(pool)
        return pool


def _end(pool: ProcessPoolExecutor, seconds: float) -> None:
    """Shut the pool down and kill its process after so many seconds: the executor itself waits for ever."""
    processes = list((pool._processes or {}).values())  # noqa: SLF001  # the executor has no kill() before Python 3.14
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.join(seconds)
        process.kill()


def _widen(pool: ProcessPoolExecutor) -> None:
    """Lets a batch pass between the processes in one or two pieces instead of dozens,
    each a wait for this process's interpreter: the executor has no setting for it. Where that cannot be, it is slower.
    """
    if (widen := getattr(fcntl, "F_SETPIPE_SZ", None)) is None:  # Linux only
        return
    with contextlib.suppress(AttributeError, OSError):
        for queue in (pool._call_queue, pool._result_queue):  # type: ignore[attr-defined]  # noqa: SLF001
            fcntl.fcntl(queue._writer.fileno(), widen, PIPE_BYTES)  # type: ignore[union-attr]  # noqa: SLF001


def assembled(rows: Sequence[JournalEntry], public_ips: Mapping[str, str]) -> _Made:
    """Return the batch without its events, their number, and the repeated ones by source. The process runs this."""
    submissions = [decode(row) for row in rows]
    columns, others = columns_of(submissions, public_ips)
    batch, repeated = assemble(with_groups(submissions, others), public_ips)
    count = sum(one.count for one in columns) + len(batch.events)
    if repeated or has_duplicates(columns, batch.events):
        # Something stands in it twice: the way that sorts that out.
        columns = []
        batch, repeated = assemble(submissions, public_ips)
        count = len(batch.events)
    sums = tally(batch.events)
    for one in columns:
        sums.add(tally_columns(one))
    text = b"".join([*map(encode_columns, columns), encode(batch.events)])
    return replace(batch, events=(), copy_text=text, tally=sums, queue_ids=queue_ids(columns, batch)), count, repeated


def queue_ids(columns: Sequence[Columns], batch: Batch) -> list[str]:
    """Return the messages that rows are of, each once."""
    found = set(batch.messages).union(*[one.column("queue_id") for one in columns])
    found.discard(None)
    return list(found)


def has_duplicates(columns: Sequence[Columns], events: Sequence[MailEvent]) -> bool:
    """Return True when an identity stands in these rows more than once."""
    count = sum(one.count for one in columns) + len(events)
    # Nearly always the ids alone tell: the whole identity takes three times as long.
    event_ids = {event.event_id for event in events}.union(*[one.values["event_id"] for one in columns])
    if len(event_ids) == count:
        return False
    identities = {key for one in columns for key in one.identities()}
    identities.update(map(identity, events))
    return len(identities) < count


def with_groups(submissions: Sequence[Submission], chosen: Sequence[tuple[Submission, Group]]) -> list[Submission]:
    """Return the requests with no other entries than these."""
    groups: dict[int, list[Group]] = {}
    for submission, group in chosen:
        groups.setdefault(id(submission), []).append(group)
    return [msgspec.structs.replace(submission, groups=groups.get(id(submission), [])) for submission in submissions]


def live_with_the_parent() -> None:
    """Signals to the whole group (Ctrl-C, a service manager) are the parent's to answer;
    when it is gone, so is this process.
    """
    logs.configure("collector")
    # A batch is a hundred thousand short-lived objects without cycles: to look for some now and then is enough.
    gc.set_threshold(200_000, 50, 100)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(0)
