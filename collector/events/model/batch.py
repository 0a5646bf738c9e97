"""The batch that one transaction writes, and the result of its commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, NewType, overload

import msgspec

from collector.events.model.event import identity
from collector.events.model.precedence import NO_CORRECTIONS
from collector.events.model.recent import recent
from collector.events.model.tally import tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.events.model.event import Heartbeat, MailEvent, RejectReason, Source
    from collector.events.model.precedence import Corrections
    from collector.events.model.recent import RecentCounts
    from collector.events.model.side_tables import Record
    from collector.events.model.tally import Tally


Position = NewType("Position", object)
"""The place of a submission in the journal. Opaque: only the journal that issued it can read it (`done`).

It can be pickled, because it goes to the assembler's process with its journal entry. It is an integer or a text.
"""


class JournalEntry(NamedTuple):
    """An accepted submission in the journal: its position, its time of receipt (epoch ms), and its bytes."""

    position: Position
    received_at: int
    body: bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that could not be stored.

    `received_at` is epoch ms. `raw` is the event as JSON text. `letter_id` is the same in each replay of the journal.
    """

    letter_id: str
    received_at: int
    cluster: str
    source: Source
    reason: RejectReason
    error: str
    raw: str


@dataclass(frozen=True, slots=True)
class SeenHeartbeat:
    """A plugin's heartbeat and its time of receipt (epoch ms, by the collector's clock).

    `request_id` is the id of the HTTP request; ids of one collector process count up. It is None for a heartbeat that
    is read back from the database.
    """

    heartbeat: Heartbeat
    received_at: int
    request_id: str | None = None


class TracedSubmission(NamedTuple):
    """A traced submission of the batch: its span as a W3C traceparent, and its time of receipt (epoch ms)."""

    parent: str
    received_at: int


class LazyEvents(Sequence["MailEvent"]):
    """A sequence of `count` events that is built on first access. Most batches are stored without it."""

    def __init__(self, count: int, build: Callable[[], Sequence[MailEvent]]) -> None:
        self._count, self._build = count, build

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _events(self) -> Sequence[MailEvent]:
        return self._build()

    @overload
    def __getitem__(self, index: int) -> MailEvent: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[MailEvent]: ...
    def __getitem__(self, index: int | slice) -> MailEvent | Sequence[MailEvent]:
        return self._events[index]


def characters_of(row: object) -> frozenset[str]:
    """Return every character of a row, and of its form as JSON."""
    return frozenset(msgspec.json.encode(row, enc_hook=list).decode())


PARTS = ("events", "letters", "heartbeats", "records")


@dataclass(frozen=True, slots=True)
class Batch:
    """Events (each identity once), dead letters, heartbeats, and rows of other tables, in order of submission.

    `copy_text`, `tally`, `recent` and `queue_ids` are computed by the assembler, else None: the COPY text, the metric
    sums, the counts for Grafana Live, and the queue ids of the events. `traces` are the traced submissions.
    """

    events: Sequence[MailEvent] = ()
    letters: Sequence[DeadLetter] = ()
    heartbeats: Sequence[SeenHeartbeat] = ()
    records: Sequence[Record] = ()
    copy_text: bytes | None = None
    tally: Tally | None = None
    recent: RecentCounts | None = None
    queue_ids: Sequence[str] | None = None
    traces: Sequence[TracedSubmission] = ()

    @property
    def messages(self) -> Sequence[str]:
        """The queue ids of the events, each once."""
        if self.queue_ids is not None:
            return self.queue_ids
        return list({event.queue_id for event in self.events if event.queue_id is not None})

    def __len__(self) -> int:
        return sum(len(getattr(self, part)) for part in PARTS)

    def halves(self) -> tuple[Batch, Batch]:
        """Return two batches that together hold this one, neither empty. The batch must have two rows or more."""
        first, *others = [part for part in PARTS if getattr(self, part)]
        rows = getattr(self, first)
        if others:
            rest: dict[str, Any] = {part: getattr(self, part) for part in others}
            one: dict[str, Any] = {first: rows}
        else:
            one, rest = {first: rows[: len(rows) // 2]}, {first: rows[len(rows) // 2 :]}
        return Batch(**one, traces=self.traces), Batch(**rest, traces=self.traces)

    def characters(self) -> frozenset[str]:
        """Return every character of the rows, and of their form as JSON."""
        return characters_of([getattr(self, part) for part in PARTS])

    def parted(self, lacking: frozenset[str]) -> tuple[Batch, Batch]:
        """Return the rows without the characters `lacking`, and those with one of them."""
        fit: dict[str, Any] = {part: [] for part in PARTS}
        unfit: dict[str, Any] = {part: [] for part in PARTS}
        for part in PARTS:
            for row in getattr(self, part):
                (fit if lacking.isdisjoint(characters_of(row)) else unfit)[part].append(row)
        return Batch(**fit, traces=self.traces), Batch(**unfit, traces=self.traces)


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result of a commit: the batch, and its events and records that were not in the database before.

    `new_events` is the same object as `batch.events` when all events are new. `exemplar` holds the labels of an
    OpenMetrics exemplar that names the trace of the write, if there is one. `transaction` is the number of the
    database's transaction.
    """

    batch: Batch
    new_events: Sequence[MailEvent]
    exemplar: dict[str, str] | None = None
    new_records: Sequence[Record] = ()
    corrections: Corrections = NO_CORRECTIONS
    transaction: int | None = None

    @property
    def tally(self) -> Tally:
        """The metric sums of the new events, without those that were counted already under a backup source."""
        if not self.corrections.uncounted and self.new_events is self.batch.events and self.batch.tally is not None:
            return self.batch.tally
        return tally(self._counted)

    @property
    def recent(self) -> RecentCounts:
        """What the new events add to the windows of Grafana Live, without those that were counted already."""
        if not self.corrections.uncounted and self.new_events is self.batch.events and self.batch.recent is not None:
            return self.batch.recent
        return recent(self._counted)

    @property
    def _counted(self) -> Sequence[MailEvent]:
        uncounted = self.corrections.uncounted
        return [one for one in self.new_events if identity(one) not in uncounted] if uncounted else self.new_events

    @property
    def duplicates(self) -> Counter[Source]:
        """The number of events and records that were in the database already, by source."""
        repeated = Counter([r.origin for r in self.batch.records]) - Counter([r.origin for r in self.new_records])
        if len(self.new_events) < len(self.batch.events):
            repeated += Counter([e.source for e in self.batch.events]) - Counter([e.source for e in self.new_events])
        return repeated
