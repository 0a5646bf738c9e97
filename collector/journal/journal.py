"""Group commit and hand-over: many requests become durable with one fsync, and reach the writer in their order.

Threads: the event loop calls `append`; a thread of its own commits; the writer's thread calls `take` and `done`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from collector.errors import OverloadedError
from collector.events.batch import Row
from collector.journal.rows import JournalRows, encode

if TYPE_CHECKING:
    from pathlib import Path

    from collector.events.model import Request

log = logging.getLogger(__name__)

MEMORY_BYTES = 8 * 1024 * 1024
"""Committed requests up to this size wait for the writer in memory; past it the writer reads them back from the file."""

GATHER_SECONDS, GATHERED_BYTES = 0.05, 128 * 1024
"""The writer waits so long for so much: a transaction costs as much for one event as for hundreds."""

RETRY_SECONDS = 0.2
FULL_RETRY_SECONDS = 10


class _Waiting(NamedTuple):
    body: bytes
    received_at: int
    acknowledged: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class JournalState:
    """What health and metrics show: requests and bytes held, the quota, when the oldest came (epoch ms), whether writes fail, and whether
    the quota has turned a request away since anything was removed.
    """

    requests: int
    used_bytes: int
    limit_bytes: int
    oldest_received_at: int | None
    is_failing: bool
    is_refusing: bool

    @property
    def trouble(self) -> str | None:
        """Why the next request would not be taken: `failing` or `full`; None when it would."""
        if self.is_failing:
            return "failing"
        return "full" if self.is_refusing or self.used_bytes >= self.limit_bytes else None


class Journal:
    """The durable buffer. Nothing is acknowledged before its fsync; nothing is removed before `done`.

    Raises `sqlite3.Error` when the file cannot be opened, also when another process holds it.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._rows = JournalRows(path)
        self._file_lock = threading.Lock()  # one user of the SQLite connection at a time
        lock = threading.Lock()  # guards everything below
        self._to_commit = threading.Condition(lock)  # wakes the journal's thread
        self._to_take = threading.Condition(lock)  # wakes the writer's
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._ready: deque[Row] = deque()  # committed, newer than `_taken`
        self._ready_bytes = 0
        self._last_id = self._rows.last_id()
        self._requests = self._rows.count()
        self._is_spilled = self._requests > 0  # committed rows wait in the file only: `_ready` must not overtake them
        self._done = self._deleted = self._last_id - self._requests  # ids have no holes
        self._taken = self._done
        self._closing = False
        self._is_failing = False
        self._is_refusing = False
        self._is_told_full = False
        self._limit_bytes = limit_bytes
        self._used_bytes = self._rows.used_bytes()
        self._oldest = self._rows.oldest_received_at()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def state(self) -> JournalState:
        """A snapshot; cheap."""
        return JournalState(
            self._requests, self._used_bytes, self._limit_bytes, self._oldest, self._is_failing, self._is_refusing
        )

    async def append(self, request: Request) -> None:
        """Returns once the request is on disk.

        Raises `OverloadedError` when the quota is reached or the disk does not take it: then it is not in the journal.
        """
        body = encode(request)
        if self._used_bytes + self._waiting_bytes + len(body) > self._limit_bytes:
            self._is_refusing = True
            if not self._is_told_full:
                self._is_told_full = True
                log.warning("the journal is full: senders are told to come back later")
            raise OverloadedError("the journal is full", retry_after=FULL_RETRY_SECONDS)
        loop = asyncio.get_running_loop()
        acknowledged = loop.create_future()
        with self._to_commit:
            if self._closing:
                raise OverloadedError("shutting down", retry_after=1)
            self._waiting.append(_Waiting(body, request.received_at, acknowledged))
            self._waiting_bytes += len(body)
            is_first = len(self._waiting) == 1
        if is_first:
            # After the requests that came in the same turn of the loop: one wake-up, and one commit, for all of them.
            loop.call_soon(self._rouse)
        await acknowledged

    def _rouse(self) -> None:
        with self._to_commit:
            self._to_commit.notify()

    def take(self, *, max_bytes: int, wait_seconds: float, is_ahead: bool = False) -> list[Row]:
        """Returns the next requests in order, about `max_bytes` in all, or [] after `wait_seconds` without any. Where there are
        few, it lets more of them gather (not with `wait_seconds` of 0); [] when the batch `is_ahead`: that can wait.

        A request is never split. Each is handed out once a process; after a restart all that are not `done` come again.
        """
        with self._to_take:
            if not self._ready and not self._is_spilled:
                self._to_take.wait_for(lambda: self._ready or self._is_spilled or self._closing, wait_seconds)
            is_little = not self._is_spilled and 0 < self._ready_bytes < min(GATHERED_BYTES, max_bytes)
        if is_little and is_ahead:
            return []
        if is_little and wait_seconds and not self._closing:
            time.sleep(GATHER_SECONDS)
        with self._to_take:
            if self._ready:
                return self._take_ready(max_bytes)
            if not self._is_spilled:
                return []
        with self._file_lock:
            rows = self._rows.after(self._taken, limit_bytes=max_bytes)
        with self._to_take:
            if rows:
                self._taken = rows[-1].id
            if self._taken >= self._last_id or not rows:
                self._is_spilled = False
        return rows

    def _take_ready(self, max_bytes: int) -> list[Row]:
        taken: list[Row] = []
        size = 0
        while self._ready and size < max_bytes:
            row = self._ready.popleft()
            taken.append(row)
            size += len(row.body)
        self._ready_bytes -= size
        self._taken = taken[-1].id
        return taken

    def done(self, upto: int) -> None:
        """Every request up to this id is committed in the database: it may be forgotten."""
        with self._to_commit:
            self._done = upto
            self._to_commit.notify()

    def close(self) -> None:
        """Commits what waits, ends the thread, closes the file."""
        with self._to_commit:
            self._closing = True
            self._to_commit.notify()
            self._to_take.notify()
        self._thread.join()
        with self._file_lock:
            self._rows.close()

    def _run(self) -> None:
        while True:
            with self._to_commit:
                is_tidy = self._done == self._deleted
                if not self._waiting and not self._closing and (is_tidy or self._is_failing):
                    self._to_commit.wait(None if is_tidy else RETRY_SECONDS)
                waiting, self._waiting = self._waiting, []
                self._waiting_bytes = 0
                done, closing = self._done, self._closing
            if waiting or done > self._deleted:
                self._commit(waiting, done)
            elif closing:
                return

    def _commit(self, waiting: list[_Waiting], done: int) -> None:
        first = self._last_id + 1
        rows = [Row(first + n, item.received_at, item.body) for n, item in enumerate(waiting)]
        try:
            with self._file_lock:
                self._rows.commit(rows, done_upto=done if done > self._deleted else None)
                self._requests += len(rows) - (done - self._deleted)
                self._used_bytes = self._rows.used_bytes()
                self._oldest = self._rows.oldest_received_at()
                if not self._requests:
                    self._rows.shrink()
        except sqlite3.Error as error:
            self._refuse(waiting, error)
            return
        if self._is_failing:
            log.warning("the journal writes again")
        self._is_failing = False
        if done > self._deleted:
            self._is_refusing = False
        if (
            self._is_told_full and self._used_bytes <= self._limit_bytes // 2
        ):  # not at each turn of a journal that stays about full
            self._is_told_full = False
            log.warning("the journal has room again")
        self._hand_over(rows, done)
        _acknowledge(waiting, None)

    def _hand_over(self, rows: list[Row], done: int) -> None:
        size = sum(len(row.body) for row in rows)
        with self._to_take:
            self._deleted = done
            self._last_id += len(rows)
            if self._is_spilled or self._ready_bytes + size > MEMORY_BYTES:
                self._is_spilled = self._is_spilled or bool(rows)
            else:
                self._ready.extend(rows)
                self._ready_bytes += size
            self._to_take.notify()

    def _refuse(self, waiting: list[_Waiting], error: sqlite3.Error) -> None:
        if not self._is_failing:
            log.error(
                "the journal cannot write",
                extra={"fields": {"error": getattr(error, "sqlite_errorname", type(error).__name__)}},
            )
        self._is_failing = True
        _acknowledge(waiting, OverloadedError("the journal cannot write", retry_after=FULL_RETRY_SECONDS))


def _acknowledge(waiting: list[_Waiting], error: OverloadedError | None) -> None:
    """Resolves the futures on their loop: one hop between threads a commit, not one a request."""
    if not waiting:
        return

    def resolve() -> None:
        for item in waiting:
            if item.acknowledged.done():  # the client went away
                continue
            if error is None:
                item.acknowledged.set_result(None)
            else:
                item.acknowledged.set_exception(error)

    with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits
        waiting[0].acknowledged.get_loop().call_soon_threadsafe(resolve)
