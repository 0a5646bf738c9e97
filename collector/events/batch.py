"""What is written in one transaction, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, overload

from collector.events.tally import tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.events.model import MailEvent, PluginReport, RejectReason, Source
    from collector.events.tally import Tally


class Row(NamedTuple):
    """An accepted request as the journal holds it: its place in the order, when it came (epoch ms), and its bytes."""

    id: int
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
class SeenReport:
    """A plugin's report and when it came (epoch ms)."""

    report: PluginReport
    received_at: int


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


@dataclass(frozen=True, slots=True)
class Batch:
    """Events (each identity once), letters and reports, each in the order of their requests.

    `copy_text` and `tally` are the events as the store takes them and what they add up to, where somebody has made them already.
    `traces` are those of its requests that are traced.
    """

    events: Sequence[MailEvent] = ()
    letters: Sequence[DeadLetter] = ()
    reports: Sequence[SeenReport] = ()
    copy_text: bytes | None = None
    tally: Tally | None = None
    traces: Sequence[Traced] = ()

    def __len__(self) -> int:
        return len(self.events) + len(self.letters) + len(self.reports)

    def halves(self) -> tuple[Batch, Batch]:
        """Returns two batches that hold it all, neither empty; for a batch of two rows or more."""
        if self.events and (self.letters or self.reports):
            return Batch(self.events, traces=self.traces), Batch((), self.letters, self.reports)
        if self.letters and self.reports:
            return Batch((), self.letters), Batch((), (), self.reports)
        e, m, r = len(self.events) // 2, len(self.letters) // 2, len(self.reports) // 2
        return (
            Batch(self.events[:e], self.letters[:m], self.reports[:r], traces=self.traces),
            Batch(self.events[e:], self.letters[m:], self.reports[r:], traces=self.traces),
        )


@dataclass(frozen=True, slots=True)
class Written:
    """What a commit brought: its batch, and those of its events that were not in the table before (the same object: all).

    `exemplar` names the trace of the write, where there is one, as the labels of an OpenMetrics exemplar.
    """

    batch: Batch
    new_events: Sequence[MailEvent]
    exemplar: dict[str, str] | None = None

    @property
    def tally(self) -> Tally:
        """What the new events add up to."""
        if self.new_events is self.batch.events and self.batch.tally is not None:
            return self.batch.tally
        return tally(self.new_events)

    @property
    def duplicates(self) -> Counter[Source]:
        """The events that were in the table already, by source."""
        if len(self.new_events) == len(self.batch.events):
            return Counter()
        return Counter([e.source for e in self.batch.events]) - Counter([e.source for e in self.new_events])
