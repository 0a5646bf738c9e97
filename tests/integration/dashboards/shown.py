"""Mail of the last nine days, and what a dashboard shows of it: the panel's rows, and the events that they are of."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from collector.events.model.batch import Batch
from collector.events.model.event import Action, Direction, MailEvent, Provider, Reason, Source
from collector.events.model.tally import tally
from grafana.queries import load
from tests.unit.grafana.macros import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.integration.house import House

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
CHOICES = ("eu1", "it's", "google", "yahoo", "other", "none", "bulk", "default", "192.0.2.5", "2001:db8::5", "unknown")
"""Every value of every variable but the cluster `us1`, which the viewer did not choose."""

BOUNDS = (1, 5, 30, 60, 300, 900, 3_600, 14_400, 43_200, 86_400)
"""Seconds; the steps of the roll-ups' histogram (docs/storage.md)."""


@dataclass(frozen=True)
class Range:
    """What the viewer looks at, and the width of the roll-up that fits it."""

    end: int
    hours: int
    interval: str
    width: int

    @property
    def start(self) -> int:
        """Epoch ms."""
        return self.end - self.hours * HOUR

    @property
    def step(self) -> int:
        """The width of a bin in ms."""
        return int(self.interval[:-1]) * {"s": SECOND, "m": MINUTE, "h": HOUR}[self.interval[-1]]

    def bucket(self, event: MailEvent) -> int:
        """The start of the bucket that the event is in."""
        return event.time // self.width * self.width

    def bin(self, event: MailEvent) -> int:
        """The start of the bin that the event is shown in."""
        return self.bucket(event) // self.step * self.step

    def holds(self, event: MailEvent) -> bool:
        """Whether the event's bucket is read: that with the range's start is, whole."""
        return self.start // self.width * self.width <= self.bucket(event) < self.end

    def in_bins(self, events: Iterable[MailEvent], of: Callable[[MailEvent], str]) -> dict[Any, list[MailEvent]]:
        """The events by their bin and by what `of` says of them."""
        return counted(events, lambda event: (self.bin(event), of(event)))

    def chosen(self, events: Iterable[MailEvent], *actions: Action) -> list[MailEvent]:
        """The outbound events of the chosen clusters, with one of these actions."""
        return [
            event
            for event in events
            if self.holds(event)
            and event.action in actions
            and event.cluster != "us1"
            and event.direction is Direction.OUTBOUND
        ]

    def ask(self, connection: psycopg.Connection, name: str) -> list[dict[str, Any]]:
        """The rows that Grafana gets; `time` as epoch ms."""
        start, end = (datetime.fromtimestamp(at / 1000, tz=UTC) for at in (self.start, self.end))
        sql = expand(load(name), start=start, end=end, interval=self.interval, values=CHOICES)
        with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            rows = cursor.execute(sql.encode()).fetchall()
        return [{key: _ms(value) for key, value in row.items()} for row in rows]


def ranges(end: int) -> list[Range]:
    """One range for each roll-up of mail_stats; all end where no bucket does."""
    return [Range(end, 3, "1m", 15 * SECOND), Range(end, 30, "10m", 5 * MINUTE), Range(end, 150, "2h", HOUR)]


def attempt_ranges(end: int) -> list[Range]:
    """One range for each roll-up of attempt_stats."""
    return [Range(end, 3, "1m", 5 * MINUTE), Range(end, 30, "10m", 5 * MINUTE), Range(end, 150, "2h", HOUR)]


def week(end: int, seed: int) -> list[MailEvent]:
    """Nine days of mail up to `end`, most of it in the last three hours: of every kind, null where a column may be.

    What is older lies in a hundred minutes, twenty of them in the same hours of yesterday and of a week ago: each
    bucket takes the job some time. Google takes nearly all, Yahoo defers much, others bounce much.
    """
    chance = random.Random(seed)
    ago = [chance.randrange(3 * HOUR) for _ in range(5_000)]
    spans = [(0, 9 * DAY, 80), (DAY, 3 * HOUR, 10), (7 * DAY, 3 * HOUR, 10)]
    for minute in [least + chance.randrange(span) for least, span, count in spans for _ in range(count)]:
        ago += [minute + chance.randrange(MINUTE) for _ in range(25)]
    return [_event(end - before, chance, seed, number) for number, before in enumerate(ago)]


_OUTCOMES = {Provider.GOOGLE: (90, 8, 2), Provider.YAHOO: (50, 48, 2), Provider.OTHER: (60, 10, 30), None: (0, 1, 1)}


def _event(at: int, chance: random.Random, seed: int, number: int) -> MailEvent:
    provider = chance.choices([Provider.GOOGLE, Provider.YAHOO, Provider.OTHER, None], [2, 2, 2, 1])[0]
    ends = chance.choices([Action.DELIVERED, Action.DEFERRED, Action.BOUNCED], _OUTCOMES[provider])[0]
    action = chance.choices([ends, Action.QUEUED, Action.REFUSED, Action.DROPPED], [70, 20, 4, 2])[0]
    attempted = action is ends
    failed = action in {Action.DEFERRED, Action.BOUNCED}
    return MailEvent(
        at, chance.choices(["eu1", "it's", "us1"], [6, 3, 1])[0], "mta1", f"q{seed}-{at}-{number}:{action}", action,
        Source.PLUGIN, chance.choices([Direction.OUTBOUND, Direction.DSN], [9, 1])[0],
        recipients=1 if attempted else chance.choice([None, 1, 3]),
        zone=chance.choice([None, "default", "bulk"]),
        provider=provider if attempted else None,
        local_ip=chance.choice([None, "192.0.2.5", "2001:db8::5"]) if attempted else None,
        reason=chance.choice([Reason.REPUTATION, Reason.UNKNOWN_USER]) if failed else None,
        response_pattern=chance.choice([None, "550 no", "450 <later>"]) if failed else None,
        attempt=chance.choice([None, 1, 1, 1, 2, 3]) if attempted else None,
        queue_ms=chance.choice([None, 0, 900, 1000, 1001, 7_000, 200_000, 4 * HOUR, 2 * DAY]) if attempted else None,
        tls_version=chance.choice([None, "TLSv1.2", "TLSv1.3", "TLSv1.3", "TLSv1.1"]) if attempted else None,
        tls_authorized=chance.choice([None, True, True, False]) if attempted else None,
        received_at=at,
    )  # fmt: skip


def fill(house: House, events: list[MailEvent], seed: int) -> None:
    """Write the events in two parts and in no order, with a run of the job after each: the second part comes late."""
    mixed = random.Random(seed).sample(events, len(events))
    half = len(mixed) // 2
    for part in (mixed[:half], mixed[half:]):
        house.store.write(Batch(part, tally=tally(part)))
        house.roll_up(datetime.now(tz=UTC) + timedelta(hours=1))


def counted(events: Iterable[MailEvent], key: Callable[[MailEvent], Any]) -> dict[Any, list[MailEvent]]:
    """The events by their key."""
    groups: dict[Any, list[MailEvent]] = {}
    for event in events:
        groups.setdefault(key(event), []).append(event)
    return groups


def share(events: Iterable[MailEvent], *actions: Action) -> float | None:
    """The part of the events with one of these actions; None of fewer than a hundred."""
    found = [event.action in actions for event in events]
    return sum(found) / len(found) if len(found) >= 100 else None


def waited(events: Iterable[MailEvent], part: float) -> float | None:
    """The seconds that this part of the delivered mail waited less than, by the steps of the histogram."""
    times = sorted(
        event.queue_ms for event in events if event.action is Action.DELIVERED and event.queue_ms is not None
    )
    if not times:
        return None
    low = below = 0
    for high in BOUNDS:
        upto = sum(time <= high * 1000 for time in times)
        if upto >= part * len(times):
            return low + (high - low) * (part * len(times) - below) / (upto - below)
        low, below = high, upto
    return BOUNDS[-1]


def now_ms() -> int:
    """A while before now, at a time where no bucket and no bin ends."""
    return int(datetime.now(tz=UTC).timestamp()) // 300 * 300 * 1000 - 5 * MINUTE + 137_000


def _ms(value: object) -> object:
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value
