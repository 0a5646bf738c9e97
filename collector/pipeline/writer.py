"""The writer: takes requests from the journal, has the store commit them, tells the listeners, and only then lets the journal forget."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar

from collector.errors import BadRowError, StoreUnavailableError
from collector.events.model.batch import Batch
from collector.pipeline.letters import in_ascii, letter_of_row
from collector.pipeline.listeners import tell
from collector.waits import Waits
from duckwatch.base.errors import StartError
from duckwatch.base.resources import shortage_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from collector.events.model.batch import Position, Row, Written
    from collector.events.model.event import Source
    from collector.metrics import Metrics

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH_BYTES = 1 * 1024 * 1024
"""Some 3,000 events: larger batches are no quicker, and hold more back when a row is refused."""

AHEAD = 3
"""Batches under way: one that the database takes, one that is assembled, one that waits for the assembler."""

IDLE_SECONDS = 0.25
STUCK_SECONDS = 15.0
"""An attempt to write that takes longer shows as trouble; the store breaks it off after its own time."""

LEAVE_SECONDS = 2.0
"""A write that was broken off ends within this time."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 10.0


class Backlog(Protocol):
    """Where requests wait (the journal)."""

    def take(self, *, max_bytes: int, wait_seconds: float, is_ahead: bool = False) -> Sequence[Row]:
        """Returns the next requests in order, each once; [] when none came in time, or too few for a batch that `is_ahead`."""

    def done(self, position: Position) -> None:
        """Forgets the requests up to this one, which `take` has returned."""


class Store(Protocol):
    """Where events go (the database)."""

    def write(self, batch: Batch) -> Written:
        """Commits the batch whole, or raises: `StoreUnavailableError` (call again with the same batch: what was committed without
        our knowing is found out then, and not written twice), or `BadRowError` (nothing was written, some row is at fault).
        """

    def abandon(self) -> None:
        """Breaks off a write under way in another thread, which then raises `StoreUnavailableError`."""


class Assemble(Protocol):
    """Begins to build the batch of some requests. What it returns waits for the batch, and says how many events by source repeated
    one of it; it raises nothing.
    """

    def __call__(self, waiting: Sequence[Row], /) -> Callable[[], tuple[Batch, Counter[Source]]]: ...


Listener: TypeAlias = "Callable[[Written], None]"
"""Who is told what was committed. Runs in the writer's thread, so must be quick; what it raises is logged and forgotten."""


class WriterState(StrEnum):
    """What /readyz says of the way to the database."""

    STARTING = "starting"
    WRITING = "writing"
    WAITING = "waiting"
    STOPPED = "stopped"
    FAILED = "failed"


class _StoppingError(Exception):
    """The writer is asked to stop while the database is away: what is unwritten stays in the journal."""


class _Coming(NamedTuple):
    batch: Callable[[], tuple[Batch, Counter[Source]]]
    position: Position
    """Of its last request."""


class Writer:
    """One thread that writes. Nothing leaves the journal before its commit is known; a bad row never holds the others back.

    `prepare` is repeated until the database is there (it raises `StoreUnavailableError`); only then is anything written. A `StartError`
    of it ends the writer.
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
        """The database's code for the trouble; None where it gave none."""
        self.refusal: StartError | None = None
        """Why `prepare` can never succeed here: set when the writer has FAILED by it."""
        self.waits = Waits(STUCK_SECONDS)
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self, on_failure: Callable[[], object]) -> None:
        """Begins to write. `on_failure` is called, from the writer's thread, when it cannot go on: the program should end, and begin
        again with what is in the journal.
        """
        self._on_failure = on_failure
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Writes what the journal holds as long as the database takes it and the time allows, then ends the thread."""
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
            log.info("stopped with requests in the journal")
        except StartError as error:
            log.error("the collector cannot start", extra={"fields": {"reason": str(error)}})  # noqa: TRY400  # no fault of ours
            self.state, self.refusal = WriterState.FAILED, error
            self._on_failure()
            return
        except Exception:
            # What was taken from the journal is not `done`: to go on would forget it.
            log.exception("the writer failed")
            self.state = WriterState.FAILED
            self._on_failure()
            return
        self.state = WriterState.STOPPED

    def _write_all(self) -> None:
        """Writes until told to stop and nothing is left. While the database takes a batch, the next ones are assembled."""
        coming: deque[_Coming] = deque()
        while True:
            self._look_ahead(coming)
            if coming:
                self._write(coming.popleft())
            elif self._stop.is_set():
                return

    def _look_ahead(self, coming: deque[_Coming]) -> None:
        while len(coming) < AHEAD:
            wait_seconds = 0 if coming else IDLE_SECONDS
            taken = self._backlog.take(max_bytes=BATCH_BYTES, wait_seconds=wait_seconds, is_ahead=bool(coming))
            if not taken:
                return
            coming.append(_Coming(self._assemble(taken), taken[-1].position))

    def _write(self, coming: _Coming) -> None:
        batch, repeated = self._insist_on(coming.batch, of_database=False)  # memory may be short for it, too
        if len(batch):
            self._settle(batch)
        for source, count in repeated.items():
            self._metrics.ingest_duplicates.labels(source).inc(count)
        self._backlog.done(coming.position)

    def _settle(self, batch: Batch) -> None:
        """Writes the batch; splits it down to the row that the database refuses, and sets that one aside."""
        try:
            written = self._insist_on(lambda: self._timed_write(batch))
        except BadRowError as error:
            self._metrics.store_errors.labels("bad_row").inc()
            self._metrics.count_refusal(error.sqlstate)
            if len(batch) > 1:
                for half in self._insist_on(batch.halves, of_database=False):
                    self._settle(half)
            else:
                self._quarantine(batch, error)
            return
        tell(self._listeners, written)

    def _timed_write(self, batch: Batch) -> Written:
        began = time.monotonic()
        written = self._store.write(batch)
        self._metrics.store_write_seconds.observe(time.monotonic() - began, written.exemplar)
        self._metrics.store_batch_events.observe(len(batch.events), written.exemplar)
        return written

    def _quarantine(self, batch: Batch, error: BadRowError) -> None:
        """Sets one row aside. A report that the database refuses cannot be, nor a letter in ASCII: it is logged, by kind only, and dropped."""
        row = next(iter(batch.records), None) or next(iter(batch.events), None)
        letter = next(iter(batch.letters), None)
        if row is not None:
            self._settle(Batch(letters=[letter_of_row(row, error.sqlstate)]))
        elif letter is not None and (plain := in_ascii(letter)) != letter:
            self._settle(Batch(letters=[plain]))
        else:
            log.error(
                "the database refuses a dead letter or a plugin report", extra={"fields": {"sqlstate": error.sqlstate}}
            )

    def _insist_on(self, attempt: Callable[[], T], *, of_database: bool = True) -> T:
        """Repeats the attempt until it succeeds, with full jitter (so that collectors do not come back in step)."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                with self.waits.one() if of_database else contextlib.nullcontext():
                    result = attempt()
            except (BadRowError, StartError):
                raise
            except Exception as error:
                # A fault of ours must not end the thread: the journal would fill unseen. It is repeated and shows as trouble.
                if isinstance(error, StoreUnavailableError):
                    self._trouble(error.kind, error.sqlstate)
                else:
                    log.exception("a write failed within the collector")
                    self._trouble(shortage_of(error) or "internal", None)
                if self._stop.wait(random.uniform(0, pause)):  # noqa: S311  # jitter, not a secret
                    raise _StoppingError from error
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                if self.trouble is not None:
                    log.warning("the database takes writes again")
                self.state, self.trouble, self.sqlstate = WriterState.WRITING, None, None
                return result

    def _trouble(self, kind: str, sqlstate: str | None) -> None:
        self._metrics.store_errors.labels(kind).inc()
        self._metrics.count_refusal(sqlstate)
        if (self.trouble, self.sqlstate) != (kind, sqlstate):
            log.warning("the database does not take writes", extra={"fields": {"kind": kind, "sqlstate": sqlstate}})
        self.state, self.trouble, self.sqlstate = WriterState.WAITING, kind, sqlstate
