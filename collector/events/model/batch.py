"""What is written in one transaction, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, NewType, overload

from collector.events.model.event import identity
from collector.events.model.precedence import NO_CORRECTIONS
from collector.events.model.tally import tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.events.model.event import Heartbeat, MailEvent, RejectReason, Source
    from collector.events.model.precedence import Corrections
    from collector.events.model.side_tables import Record
    from collector.events.model.tally import Tally


Position = NewType("Position", object)
"""Where a request lies in the journal. Opaque: only the journal that gave it can read it, others hand it back (`done`).

It can be pickled (it goes to the assembler's process with its row). It may be an integer, or a text.
"""


class JournalEntry(NamedTuple):
    """An accepted request as the journal holds it: its position, when it came (epoch ms), and its bytes."""

    position: Position
    received_at: int
    body: bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event set aside. `received_at` is epoch ms; `raw` the event as JSON text; `letter_id` the same in each replay."""

    letter_id: str
    received_at: int
    cluster: str
    source: Source
    reason: RejectReason
    error: str
    raw: str


@dataclass(frozen=True, slots=True)
class SeenHeartbeat:
    """A plugin's report, when it came (epoch ms, by the collector's clock), and the id of the request that brought it: ids of one collector
    process count up. None where that is not known (a report read back from the database).
    """

    heartbeat: Heartbeat
    received_at: int
    request_id: str | None = None


class Traced(NamedTuple):
    """A request of the batch that is traced: its span as a W3C traceparent, and when it came (epoch ms)."""

    parent: str
    received_at: int


class LazyEvents(Sequence["MailEvent"]):
    """So many events, built only when somebody looks at one: a batch without trouble is stored unseen."""

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


PARTS = ("events", "letters", "heartbeats", "records")


@dataclass(frozen=True, slots=True)
class Batch:
    """Events (each identity once), letters, reports, and rows of other tables, each in the order of their requests.

    `copy_text`, `tally` and `queue_ids` are the events as the store takes them, what they add up to, and the messages that they are of,
    where somebody has made them already.
    `traces` are those of its requests that are traced.
    """

    events: Sequence[MailEvent] = ()
    letters: Sequence[DeadLetter] = ()
    heartbeats: Sequence[SeenHeartbeat] = ()
    records: Sequence[Record] = ()
    copy_text: bytes | None = None
    tally: Tally | None = None
    queue_ids: Sequence[str] | None = None
    traces: Sequence[Traced] = ()

    @property
    def messages(self) -> Sequence[str]:
        """The queue ids of its events."""
        if self.queue_ids is not None:
            return self.queue_ids
        return list({event.queue_id for event in self.events if event.queue_id is not None})

    def __len__(self) -> int:
        return sum(len(getattr(self, part)) for part in PARTS)

    def halves(self) -> tuple[Batch, Batch]:
        """Returns two batches that hold it all, neither empty; for a batch of two rows or more."""
        first, *others = [part for part in PARTS if getattr(self, part)]
        rows = getattr(self, first)
        if others:
            rest: dict[str, Any] = {part: getattr(self, part) for part in others}
            one: dict[str, Any] = {first: rows}
        else:
            one, rest = {first: rows[: len(rows) // 2]}, {first: rows[len(rows) // 2 :]}
        return Batch(**one, traces=self.traces), Batch(**rest, traces=self.traces)


@dataclass(frozen=True, slots=True)
class Written:
    """What a commit brought: its batch, and those of its events that were not in the table before (the same object: all), and of its
    records.

    `exemplar` names the trace of the write, where there is one, as the labels of an OpenMetrics exemplar.
    """

    batch: Batch
    new_events: Sequence[MailEvent]
    exemplar: dict[str, str] | None = None
    new_records: Sequence[Record] = ()
    corrections: Corrections = NO_CORRECTIONS

    @property
    def tally(self) -> Tally:
        """What the new events add up to, but for those that were counted when a lesser road told of them."""
        uncounted = self.corrections.uncounted
        if uncounted:
            return tally([event for event in self.new_events if identity(event) not in uncounted])
        if self.new_events is self.batch.events and self.batch.tally is not None:
            return self.batch.tally
        return tally(self.new_events)

    @property
    def duplicates(self) -> Counter[Source]:
        """The events that were in the table already, by source."""
        repeated = Counter([r.origin for r in self.batch.records]) - Counter([r.origin for r in self.new_records])
        if len(self.new_events) < len(self.batch.events):
            repeated += Counter([e.source for e in self.batch.events]) - Counter([e.source for e in self.new_events])
        return repeated
