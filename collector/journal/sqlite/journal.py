"""The journal in a file. Many submissions become durable with one fsync (a group commit).

The event loop calls `append`; the journal's own thread commits; the writer's thread calls `take` and `done`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, cast

from collector.errors import OverloadedError
from collector.events.model.batch import JournalEntry
from collector.journal.codec import encode_submission
from collector.journal.sqlite.errors import ERRORS, error_name
from collector.journal.sqlite.handover import HandOver
from collector.journal.sqlite.ledger import JournalLedger
from collector.journal.sqlite.log import log_path
from collector.journal.state import JournalState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.events.model.batch import Position
    from collector.events.model.event import Submission

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
FULL_RETRY_SECONDS = 10

QUIET_SECONDS, LONGEST_QUIET_SECONDS = 0.005, 0.1
"""Submissions are rare if the pause before a commit is longer than QUIET_SECONDS for each of its submissions
(LONGEST_QUIET_SECONDS at most).

The write-ahead log is then folded into the file before the answer, so that the file alone holds all acknowledged
submissions. Otherwise it is folded after a pause of that length without a submission. Under load a fold costs too much.
The pause grows with the number of submissions, because all clients may wait for one commit, and send their next
requests some milliseconds after it.
"""

LOOK_SECONDS = 1.0
"""How often the event loop checks that the disk answers, while submissions wait for it."""

STUCK_SECONDS = 5.0
"""A call to the disk that takes longer is trouble. Submissions do not wait for it."""

CLOSE_SECONDS = 5.0


class _UnwrittenSubmission(NamedTuple):
    body: bytes
    received_at: int
    acknowledged: asyncio.Future[None]


class SqliteJournal:
    """A `Journal` in a file. No submission is acknowledged before its fsync, and none is removed before `done`.

    The constructor raises `sqlite3.Error` if the file cannot be opened, also if another process holds it.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._path = path
        self._ledger = JournalLedger(path)
        self._out = HandOver(self._ledger)
        self._to_commit = threading.Condition()  # guards what follows, and wakes the journal's thread
        self._waiting: list[_UnwrittenSubmission] = []
        self._waiting_bytes = 0
        self._under_way: list[_UnwrittenSubmission] = []  # the submissions that the journal's thread commits now
        self._busy_since: float | None = None  # when that thread began its current turn
        self._done = self._ledger.deleted
        self._closing = False
        self._is_failing = False
        self._is_refusing = False
        self._is_told_full = False
        self._is_watching = False  # for the event loop only
        self._added_at = 0.0
        self._quiet_seconds = QUIET_SECONDS  # the pause after the last commit before a fold
        self._fold_after = 0.0  # the least pause, after a fold that failed
        self._limit_bytes = limit_bytes
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def log_start(self) -> None:
        """See `Journal.log_start`. A missing write-ahead log is an error in the log."""
        path, held = self._path, self._ledger
        fields = {"path": str(path), "requests": held.requests, "bytes": held.used_bytes}
        if held.oldest is not None:
            fields["oldest"] = datetime.fromtimestamp(held.oldest / 1000, UTC).isoformat(timespec="seconds")
        log.info("the journal is open", extra={"fields": fields})
        if held.lacks_log:
            log.error(
                "the journal was in use when it was last seen, and its write-ahead log is missing: "
                "the latest requests may be in it. "
                "If the journal was moved, bring that file, too",
                extra={"fields": {"missing": str(log_path(path))}},
            )

    @property
    def state(self) -> JournalState:
        """See `Journal.state`."""
        held = self._ledger
        is_failing = self._is_failing or self._out.is_unreadable
        return JournalState(
            held.requests,
            held.used_bytes,
            self._limit_bytes,
            held.oldest,
            is_failing,
            self._is_refusing,
            self._is_stuck,
        )

    @property
    def trouble(self) -> str | None:
        """See `Journal.trouble`."""
        return self.state.trouble

    @property
    def _is_stuck(self) -> bool:
        since = self._busy_since
        return since is not None and time.monotonic() - since > STUCK_SECONDS

    async def append(self, submission: Submission) -> None:
        """See `Journal.append`."""
        if self._is_stuck:
            raise _stuck()
        body = encode_submission(submission)
        if self._ledger.used_bytes + self._waiting_bytes + len(body) > self._limit_bytes:
            self._is_refusing = True
            if not self._is_told_full:
                self._is_told_full = True
                log.warning("the journal is full: senders must retry later")
            raise OverloadedError("the journal is full", retry_after=FULL_RETRY_SECONDS)
        loop = asyncio.get_running_loop()
        acknowledged = loop.create_future()
        with self._to_commit:
            if self._closing:
                raise OverloadedError("the collector is shutting down", retry_after=1)
            self._waiting.append(_UnwrittenSubmission(body, submission.received_at, acknowledged))
            self._waiting_bytes += len(body)
            is_first = len(self._waiting) == 1
        if is_first:
            # `call_soon` runs after all requests of this turn of the loop, so that they share one wake-up and commit.
            loop.call_soon(self._rouse)
            if not self._is_watching:
                self._is_watching = True
                loop.call_later(LOOK_SECONDS, self._watch, loop)
        await acknowledged

    def _rouse(self) -> None:
        with self._to_commit:
            self._to_commit.notify()

    def take(self, *, max_bytes: int, wait_seconds: float, is_ahead: bool = False) -> list[JournalEntry]:
        """See `Journal.take`."""
        return self._out.take(max_bytes=max_bytes, wait_seconds=wait_seconds, is_ahead=is_ahead)

    def done(self, position: Position) -> None:
        """See `Journal.done`."""
        with self._to_commit:
            self._done = cast("int", position)
            self._to_commit.notify()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse the waiting submissions if the disk does not answer. Check again while any wait."""
        with self._to_commit:
            under_way, waiting, is_stuck = self._under_way, self._waiting, self._is_stuck
            if is_stuck:
                self._waiting, self._waiting_bytes = [], 0
        if is_stuck:
            _acknowledge([*under_way, *waiting], _stuck())
        self._is_watching = bool(under_way or waiting)
        if self._is_watching:
            loop.call_later(LOOK_SECONDS, self._watch, loop)

    def close(self) -> bool:
        """See `Journal.close`. The write-ahead log is then folded into the file."""
        with self._to_commit:
            self._closing = True
            self._to_commit.notify()
        self._out.close()
        self._thread.join(CLOSE_SECONDS)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._to_commit:
                if not self._waiting and not self._closing:
                    self._pause()
                waiting, self._waiting = self._waiting, []
                self._under_way, self._waiting_bytes = waiting, 0
                done, closing = self._done, self._closing
            self._busy_since = time.monotonic()
            self._turn(waiting, done)
            if closing and not waiting:
                # Rows that could not be removed come again at the next start, and the database knows their events.
                self._ledger.close()
                self._busy_since = None
                return
            self._under_way, self._busy_since = [], None

    def _pause(self) -> None:
        """Wait for work. Wait only a short time if the last turn failed, or if the log is not folded."""
        if self._is_failing:
            self._to_commit.wait(RETRY_SECONDS)
        elif self._done == self._ledger.deleted:
            self._to_commit.wait(None if self._ledger.is_folded else max(self._quiet_seconds, self._fold_after))

    def _turn(self, waiting: list[_UnwrittenSubmission], done: int) -> None:
        """Add the waiting submissions and remove the done ones. Fold if there are neither, or if they are rare."""
        held = self._ledger
        is_removal = done > held.deleted
        is_rare = time.monotonic() - self._added_at > _quiet_seconds(waiting)
        try:
            self._out.put(held.settle())
            if self._is_failing or not waiting:
                held.remove(done)  # in its own transaction, because an addition without room would fail with it
            if waiting:
                positions = cast("Iterator[Position]", count(held.last_id + 1))
                rows = [JournalEntry(next(positions), item.received_at, item.body) for item in waiting]
                held.add(rows, done)
                self._out.put(rows)
            if self._is_failing and not waiting:
                held.probe()
            elif is_rare if waiting else not is_removal:
                self._fold()
        except ERRORS as error:
            self._fail(waiting, done, error)
            return
        self._note_success(is_removal=is_removal)
        _acknowledge(waiting, None)
        if waiting:
            self._added_at = time.monotonic()
            self._quiet_seconds = _quiet_seconds(waiting)

    def _fold(self) -> None:
        """Fold, or try again later: the log is as durable as the file."""
        try:
            self._ledger.fold()
        except ERRORS:
            self._fold_after = FULL_RETRY_SECONDS
        else:
            self._fold_after = 0.0

    def _note_success(self, *, is_removal: bool) -> None:
        if self._is_failing:
            self._is_failing = False
            log.warning("the journal writes again")
        if is_removal:
            self._is_refusing = False
        if self._is_told_full and self._ledger.used_bytes <= self._limit_bytes // 2:
            # The limit of one half prevents a log line at each turn of a journal that stays nearly full.
            self._is_told_full = False
            log.warning("the journal has room again")

    def _fail(self, waiting: list[_UnwrittenSubmission], done: int, error: Exception) -> None:
        if not self._is_failing:
            log.error("the journal cannot write", extra={"fields": {"error": error_name(error)}})
        self._is_failing = True
        _acknowledge(waiting, OverloadedError("the journal cannot write", retry_after=FULL_RETRY_SECONDS))
        held = self._ledger
        with contextlib.suppress(*ERRORS):
            self._out.put(held.settle())
            if done == held.last_id and not (held.is_folded and done == held.deleted):
                held.recover()
                self._note_success(is_removal=True)


def _quiet_seconds(waiting: list[_UnwrittenSubmission]) -> float:
    return min(QUIET_SECONDS * len(waiting), LONGEST_QUIET_SECONDS)


def _stuck() -> OverloadedError:
    return OverloadedError("the journal's disk does not answer", retry_after=FULL_RETRY_SECONDS)


def _acknowledge(waiting: list[_UnwrittenSubmission], error: OverloadedError | None) -> None:
    """Resolve the futures on their loop, with one call between threads for each commit."""
    if not waiting:
        return

    def resolve() -> None:
        for item in waiting:
            if item.acknowledged.done():  # the client has disconnected
                continue
            if error is None:
                item.acknowledged.set_result(None)
            else:
                item.acknowledged.set_exception(error)

    with contextlib.suppress(RuntimeError):  # the loop is closed, so no client waits
        waiting[0].acknowledged.get_loop().call_soon_threadsafe(resolve)
