"""The writer: it takes submissions from the journal, has the store commit them, and tells the listeners.

Only then does the journal forget the submissions.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar

from collector.errors import BadRowError, StoreUnavailableError, UntranslatableError
from collector.events.model.batch import Batch
from collector.pipeline.letters import in_ascii, in_letters, letter_of_row
from collector.pipeline.listeners import tell
from collector.waits import Waits
from duckwatch.base.errors import StartError
from duckwatch.base.resources import shortage_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from collector.events.model.batch import JournalEntry, Position, WriteResult
    from collector.events.model.event import Source
    from collector.metrics import Metrics

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH_BYTES = 1 * 1024 * 1024
"""About 3,000 events: larger batches are no faster, and delay more events when a row is refused."""

AHEAD = 3
"""Batches in progress: the database writes one, the assembler builds one, and one waits for the assembler."""

IDLE_SECONDS = 0.25
STUCK_SECONDS = 15.0
"""A write that takes longer is reported as trouble. The store breaks it off after its own time limit."""

LEAVE_SECONDS = 2.0
"""A write that was broken off ends within this time."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 10.0


class Backlog(Protocol):
    """Where submissions wait (the journal)."""

    def take(self, *, max_bytes: int, wait_seconds: float, is_ahead: bool = False) -> Sequence[JournalEntry]:
        """Return the next submissions in order, each once.

        Return [] if none came in time, or too few for a batch that `is_ahead`.
        """

    def done(self, position: Position) -> None:
        """Forget the submissions up to this one, which `take` has returned."""


class Store(Protocol):
    """Where batches are written (the database)."""

    def write(self, batch: Batch) -> WriteResult:
        """Commit the whole batch.

        Raise `StoreUnavailableError` if the batch is to be passed again: that call finds out whether it was committed,
        and does not write it twice. Raise `BadRowError` if nothing was written because a row is at fault.
        """

    def abandon(self) -> None:
        """Break off a write in another thread, which then raises `StoreUnavailableError`."""


class Assemble(Protocol):
    """Begins to build the batch of some submissions.

    The returned function waits for the batch, and returns it with the number of repeated events by source. Neither
    raises.
    """

    def __call__(self, waiting: Sequence[JournalEntry], /) -> Callable[[], tuple[Batch, Counter[Source]]]: ...


Listener: TypeAlias = "Callable[[WriteResult], None]"
"""A listener of commits. It runs in the writer's thread, so it must be quick; what it raises is logged and ignored."""


class WriterState(StrEnum):
    """The state of the writer, as /readyz shows it."""

    STARTING = "starting"
    WRITING = "writing"
    WAITING = "waiting"
    STOPPED = "stopped"
    FAILED = "failed"


class _StoppingError(Exception):
    """The writer must stop while the database is away: unwritten submissions stay in the journal."""


class _NextBatch(NamedTuple):
    batch: Callable[[], tuple[Batch, Counter[Source]]]
    position: Position
    """The position of its last submission."""


class Writer:
    """One thread that writes. The journal forgets nothing before its commit is known; a bad row does not hold others
    back.

    `prepare` is repeated until the database answers (it raises `StoreUnavailableError`); only then is anything written.
    If it raises a `StartError`, the writer ends.
    """

    def __init__(
        self,
        backlog: Backlog,
        store: Store,
        *,
        prepare: Callable[[], None],
        assemble: Assemble,
        listeners: Sequence[Listener],
        metrics: Metrics,
    ) -> None:
        self._backlog, self._store, self._prepare, self._listeners = backlog, store, prepare, listeners
        self._assemble = assemble
        self._metrics = metrics
        self._stop = threading.Event()
        self.state = WriterState.STARTING
        self.trouble: str | None = None
        self.sqlstate: str | None = None
        """The SQLSTATE of the trouble; None if there is none."""
        self.refusal: StartError | None = None
        """Why `prepare` can never succeed; set when the writer has FAILED for that reason."""
        self.waits = Waits(STUCK_SECONDS)
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self, on_failure: Callable[[], object]) -> None:
        """Begin to write.

        `on_failure` is called from the writer's thread when the writer cannot continue: the program should end, and
        start again with the submissions in the journal.
        """
        self._on_failure = on_failure
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Write the journal's submissions while the database accepts them and the time allows, then end the thread."""
        self._stop.set()
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            self._store.abandon()
            self._thread.join(LEAVE_SECONDS)

    def _run(self) -> None:
        try:
            self._insist_on(self._prepare)
            self._write_all()
        except _StoppingError:
            log.info("the writer has stopped: unwritten submissions stay in the journal")
        except StartError as error:
            log.error("the collector cannot start", extra={"fields": {"reason": str(error)}})  # noqa: TRY400  # no error in our code
            self.state, self.refusal = WriterState.FAILED, error
            self._on_failure()
            return
        except Exception:
            # Submissions that were taken from the journal are not `done`: a writer that went on would forget them.
            log.exception("the writer failed")
            self.state = WriterState.FAILED
            self._on_failure()
            return
        self.state = WriterState.STOPPED

    def _write_all(self) -> None:
        """Write until `stop` is called and nothing is left. The next batches are assembled while one is written."""
        coming: deque[_NextBatch] = deque()
        while True:
            self._look_ahead(coming)
            if coming:
                self._write(coming.popleft())
            elif self._stop.is_set():
                return

    def _look_ahead(self, coming: deque[_NextBatch]) -> None:
        while len(coming) < AHEAD:
            wait_seconds = 0 if coming else IDLE_SECONDS
            taken = self._backlog.take(max_bytes=BATCH_BYTES, wait_seconds=wait_seconds, is_ahead=bool(coming))
            if not taken:
                return
            coming.append(_NextBatch(self._assemble(taken), taken[-1].position))

    def _write(self, coming: _NextBatch) -> None:
        batch, repeated = self._insist_on(coming.batch, of_database=False)  # memory may be short for it, too
        if len(batch):
            self._settle(batch)
        for source, count in repeated.items():
            self._metrics.ingest_duplicates.labels(source).inc(count)
        self._backlog.done(coming.position)

    def _settle(self, batch: Batch) -> None:
        """Write the batch. If the database refuses it, set the faulty rows aside.

        They are known if the encoding lacks their characters. Else halve the batch down to the faulty row.
        """
        try:
            written = self._insist_on(lambda: self._timed_write(batch))
        except BadRowError as error:
            self._metrics.store_errors.labels("bad_row").inc()
            self._metrics.count_refusal(error.sqlstate)
            lacking = error.lacking if isinstance(error, UntranslatableError) else frozenset[str]()
            fit, unfit = batch.parted(lacking) if lacking else (batch, Batch())
            if len(unfit):
                # All at once: a search by halving takes some 20 transactions for each event.
                for some in (fit, in_letters(unfit, error.sqlstate)):
                    if len(some):
                        self._settle(some)
            elif len(batch) > 1:
                for half in self._insist_on(batch.halves, of_database=False):
                    self._settle(half)
            else:
                self._quarantine(batch, error)
            return
        tell(self._listeners, written)

    def _timed_write(self, batch: Batch) -> WriteResult:
        began = time.monotonic()
        written = self._store.write(batch)
        self._metrics.store_write_seconds.observe(time.monotonic() - began, written.exemplar)
        self._metrics.store_batch_events.observe(len(batch.events), written.exemplar)
        return written

    def _quarantine(self, batch: Batch, error: BadRowError) -> None:
        """Set one row aside as a dead letter.

        A heartbeat that the database refuses has no dead letter, nor has a dead letter in ASCII: log the SQLSTATE and
        drop it.
        """
        row = next(iter(batch.records), None) or next(iter(batch.events), None)
        letter = next(iter(batch.letters), None)
        if row is not None:
            self._settle(Batch(letters=[letter_of_row(row, error.sqlstate)]))
        elif letter is not None and (plain := in_ascii(letter)) != letter:
            self._settle(Batch(letters=[plain]))
        else:
            log.error(
                "the database refuses a dead letter or a heartbeat", extra={"fields": {"sqlstate": error.sqlstate}}
            )

    def _insist_on(self, attempt: Callable[[], T], *, of_database: bool = True) -> T:
        """Repeat the attempt until it succeeds, with full jitter, so that collectors do not retry in step."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                with self.waits.one() if of_database else contextlib.nullcontext():
                    result = attempt()
            except (BadRowError, StartError):
                raise
            except Exception as error:
                # An error in our own code must not end the thread: the journal would fill unseen. It is repeated and
                # reported as trouble.
                if of_database:
                    self._metrics.store_up.set(0)
                if isinstance(error, StoreUnavailableError):
                    self._trouble(error.kind, error.sqlstate)
                else:
                    log.exception("a write failed because of an error in the collector")
                    self._trouble(shortage_of(error) or "internal", None)
                if self._stop.wait(random.uniform(0, pause)):  # noqa: S311  # jitter, not a secret
                    raise _StoppingError from error
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                if self.trouble is not None:
                    log.warning("the database takes writes again")
                self.state, self.trouble, self.sqlstate = WriterState.WRITING, None, None
                if of_database:
                    self._metrics.store_up.set(1)
                return result

    def _trouble(self, kind: str, sqlstate: str | None) -> None:
        self._metrics.store_errors.labels(kind).inc()
        self._metrics.count_refusal(sqlstate)
        if (self.trouble, self.sqlstate) != (kind, sqlstate):
            log.warning("the database does not take writes", extra={"fields": {"kind": kind, "sqlstate": sqlstate}})
        self.state, self.trouble, self.sqlstate = WriterState.WAITING, kind, sqlstate
