"""The assembler: the collector's second process, which turns journal entries into a batch.

Building rows is most of the collector's work, and Python computes in only one thread at a time. A second process uses
another core, and does not delay acknowledgements. It has no state: if it dies, its entries are assembled again, by a
new process or in this one.
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
from collector.events.model.recent import recent, recent_columns
from collector.events.model.tally import tally, tally_columns
from collector.journal.codec import decode_entry
from collector.pipeline.batch import assemble
from collector.store.writing.copy_text import encode_columns, encode_copy
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
"""A batch takes a fraction of a second, and the start of the process a few seconds.

A process that takes longer is killed and replaced.
"""

STUCK_SECONDS = 4.0
CLOSE_SECONDS = 2.0

PIPE_BYTES = 1 << 20
"""The largest pipe that Linux allows a user (pipe-max-size). The default is 64 KiB."""


class Assembler:
    """Assembles journal entries in its own process. One thread may use it.

    With `is_live`, it computes the counts for Grafana Live too.
    """

    def __init__(self, public_ips: Mapping[str, str], *, is_live: bool = False) -> None:
        self._public_ips, self._is_live = dict(public_ips), is_live
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
        """Begin to assemble. The returned function waits for the batch, with its COPY text and tally, and for the
        number of repeated events by source. Neither raises.
        """
        return partial(self._finish, rows, self._submit(rows))

    def _finish(self, rows: Sequence[JournalEntry], coming: _Coming) -> tuple[Batch, Counter[Source]]:
        for _ in range(ATTEMPTS):
            made, pool = coming
            if pool is not self._pool:  # its process was killed while it worked on batches
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
                # A fault of ours. Assembling entries one by one, below, cannot fail.
                log.exception(
                    "the assembler failed because of an error in the collector: the batch is assembled entry by entry"
                )
                break
            self._is_stuck = False
            events = LazyEvents(count, partial(self._events, rows))
            return replace(batch, events=events), repeated
        # These rows, or this machine, kill the process. This is slower, but certain.
        return assemble([decode_entry(row) for row in rows], self._public_ips)

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
        """Give the rows to the pool. If that fails, end the pool, which would keep these rows and may have started a
        process already.
        """
        pool = self._pool
        try:
            return pool.submit(assembled, rows, self._public_ips, is_live=self._is_live), pool
        except BaseException:
            _end(pool, 0)
            raise

    def _replace(self) -> None:
        """Kill a process that does not finish, also a stopped one, and start another."""
        log.error("the assembler's process does not answer: it is replaced")
        self._is_stuck = True
        _end(self._pool, 0)
        self._pool = self._start()

    def close(self) -> None:
        """End the process. Kill it if it does not end by itself."""
        _end(self._pool, CLOSE_SECONDS)

    def _events(self, rows: Sequence[JournalEntry]) -> Sequence[MailEvent]:
        return assemble([decode_entry(row) for row in rows], self._public_ips)[0].events

    @staticmethod
    def _start() -> ProcessPoolExecutor:
        # spawn: a fork would copy the threads' locks and the journal's descriptors.
        pool = ProcessPoolExecutor(1, OneProcessContext(), initializer=live_with_the_parent)
        _widen(pool)
        return pool


def _end(pool: ProcessPoolExecutor, seconds: float) -> None:
    """Shut the pool down, and kill its process after `seconds`. The executor itself would wait for ever."""
    processes = list((pool._processes or {}).values())  # noqa: SLF001  # the executor has no kill() before Python 3.14
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.join(seconds)
        process.kill()


def _widen(pool: ProcessPoolExecutor) -> None:
    """Enlarge the pipes, so that a batch passes in one or two pieces instead of dozens. Each piece waits for this
    process's interpreter lock. The executor has no setting for it. Without larger pipes, batches are only slower.
    """
    if (widen := getattr(fcntl, "F_SETPIPE_SZ", None)) is None:  # Linux only
        return
    with contextlib.suppress(AttributeError, OSError):
        for queue in (pool._call_queue, pool._result_queue):  # type: ignore[attr-defined]  # noqa: SLF001
            fcntl.fcntl(queue._writer.fileno(), widen, PIPE_BYTES)  # type: ignore[union-attr]  # noqa: SLF001


def assembled(rows: Sequence[JournalEntry], public_ips: Mapping[str, str], *, is_live: bool = False) -> _Made:
    """Return the batch without its events, the number of events, and the number of repeated events by source.
    The assembler's process runs this.
    """
    submissions = [decode_entry(row) for row in rows]
    columns, others = columns_of(submissions, public_ips)
    batch, repeated = assemble(with_groups(submissions, others), public_ips)
    count = sum(one.count for one in columns) + len(batch.events)
    if repeated or has_duplicates(columns, batch.events):
        # Duplicates found: use the row-by-row path, which removes them.
        columns = []
        batch, repeated = assemble(submissions, public_ips)
        count = len(batch.events)
    sums = tally(batch.events)
    for one in columns:
        sums.add(tally_columns(one))
    counts = None
    if is_live:
        counts = recent(batch.events)
        for one in columns:
            counts.add(recent_columns(one))
    text = b"".join([*map(encode_columns, columns), encode_copy(batch.events)])
    made = replace(batch, events=(), copy_text=text, tally=sums, recent=counts, queue_ids=queue_ids(columns, batch))
    return made, count, repeated


def queue_ids(columns: Sequence[Columns], batch: Batch) -> list[str]:
    """Return the queue ids of all rows, each once."""
    found = set(batch.messages).union(*[one.column("queue_id") for one in columns])
    found.discard(None)
    return list(found)


def has_duplicates(columns: Sequence[Columns], events: Sequence[MailEvent]) -> bool:
    """Return True if two rows have the same identity."""
    count = sum(one.count for one in columns) + len(events)
    # Nearly always the event ids are enough. To compare whole identities takes three times as long.
    event_ids = {event.event_id for event in events}.union(*[one.values["event_id"] for one in columns])
    if len(event_ids) == count:
        return False
    identities = {key for one in columns for key in one.identities()}
    identities.update(map(identity, events))
    return len(identities) < count


def with_groups(submissions: Sequence[Submission], chosen: Sequence[tuple[Submission, Group]]) -> list[Submission]:
    """Return the submissions with only the chosen groups."""
    groups: dict[int, list[Group]] = {}
    for submission, group in chosen:
        groups.setdefault(id(submission), []).append(group)
    return [msgspec.structs.replace(submission, groups=groups.get(id(submission), [])) for submission in submissions]


def live_with_the_parent() -> None:
    """Ignore signals to the whole process group (Ctrl-C, a service manager), which the parent handles. End this process
    when the parent has ended.
    """
    logs.configure("collector")
    # A batch is a hundred thousand short-lived objects without cycles, so the garbage collector may run seldom.
    gc.set_threshold(200_000, 50, 100)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(0)
