"""What is written in one transaction, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collector.events.model import MailEvent, PluginReport, RejectReason, Source

Identity: TypeAlias = tuple[str, str, int]
"""(event_id, cluster, time): what makes a row of mail_events the same row."""


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


@dataclass(frozen=True, slots=True)
class Batch:
    """Events (each identity once), letters and reports, each in the order of their requests."""

    events: list[MailEvent] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    reports: list[SeenReport] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.events) + len(self.letters) + len(self.reports)

    def halves(self) -> tuple[Batch, Batch]:
        """Returns two batches that hold it all, neither empty; for a batch of two rows or more."""
        if self.events and (self.letters or self.reports):
            return Batch(self.events), Batch([], self.letters, self.reports)
        if self.letters and self.reports:
            return Batch([], self.letters), Batch([], [], self.reports)
        e, m, r = len(self.events) // 2, len(self.letters) // 2, len(self.reports) // 2
        return (
            Batch(self.events[:e], self.letters[:m], self.reports[:r]),
            Batch(self.events[e:], self.letters[m:], self.reports[r:]),
        )


@dataclass(frozen=True, slots=True)
class Written:
    """What a commit brought: its batch, and those of its events that were not in the table before."""

    batch: Batch
    new_events: list[MailEvent]


def identity(event: MailEvent) -> Identity:
    """Returns what tells this row from all others."""
    return event.event_id, event.cluster, event.time
