"""Made-up mail of nine days, the rows that a panel gets, and the events that those rows count."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from collector.events.model.batch import Batch
from collector.events.model.event import Action, Direction, MailEvent, Provider, Reason, Source
from collector.events.model.tally import tally
from grafana.queries import load_query
from tests.unit.grafana.macros import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.integration.house import House

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
CHOICES = ("eu1", "it's", "google", "yahoo", "other", "none", "bulk", "default", "192.0.2.5", "2001:db8::5", "unknown")
"""Every value of every variable, except the cluster `us1`, which the viewer did not choose."""

BOUNDS = (1, 5, 30, 60, 300, 900, 3_600, 14_400, 43_200, 86_400)
"""The upper bounds of the roll-ups' histogram in seconds (docs/storage.md)."""


@dataclass(frozen=True)
class Range:
    """A time range, and the width of the roll-up that its queries read."""

    end: int
    hours: int
    interval: str
    width: int

    @property
    def start(self) -> int:
        """The start of the range in epoch ms."""
        return self.end - self.hours * HOUR

    @property
    def step(self) -> int:
        """The width of a bin in ms."""
        return int(self.interval[:-1]) * {"s": SECOND, "m": MINUTE, "h": HOUR}[self.interval[-1]]

    def bucket(self, event: MailEvent) -> int:
        """Return the start of the bucket that contains the event."""
        return event.time // self.width * self.width

    def bin(self, event: MailEvent) -> int:
        """Return the start of the bin in which the event is shown."""
        return self.bucket(event) // self.step * self.step

    def holds(self, event: MailEvent) -> bool:
        """Return whether the event's bucket is read. The bucket that contains the range's start is read whole."""
        return self.start // self.width * self.width <= self.bucket(event) < self.end

    def in_bins(self, events: Iterable[MailEvent], of: Callable[[MailEvent], str]) -> dict[Any, list[MailEvent]]:
        """Return the events by their bin and the result of `of`."""
        return counted(events, lambda event: (self.bin(event), of(event)))

    def chosen(self, events: Iterable[MailEvent], *actions: Action) -> list[MailEvent]:
        """Return the outbound events of the range and the chosen clusters that have one of these actions."""
        return [
            event
            for event in events
            if self.holds(event)
            and event.action in actions
            and event.cluster != "us1"
            and event.direction is Direction.OUTBOUND
        ]

    def ask(self, connection: psycopg.Connection, name: str, values: Sequence[str] = CHOICES) -> list[dict[str, Any]]:
        """Return the rows that Grafana gets, with times as epoch ms. `values` are those of every variable."""
        start, end = (datetime.fromtimestamp(at / 1000, tz=UTC) for at in (self.start, self.end))
        sql = expand(load_query(name), start=start, end=end, interval=self.interval, values=values)
        with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            rows = cursor.execute(sql.encode()).fetchall()
        return [{key: _ms(value) for key, value in row.items()} for row in rows]


def ranges(end: int) -> list[Range]:
    """Return one range for each roll-up of mail_stats. Their end is not the end of a bucket."""
    return [Range(end, 3, "1m", 15 * SECOND), Range(end, 30, "10m", 5 * MINUTE), Range(end, 150, "2h", HOUR)]


def attempt_ranges(end: int) -> list[Range]:
    """Return ranges that read each roll-up of attempt_stats."""
    return [Range(end, 3, "1m", 5 * MINUTE), Range(end, 30, "10m", 5 * MINUTE), Range(end, 150, "2h", HOUR)]


def week(end: int, seed: int) -> list[MailEvent]:
    """Return nine days of mail up to `end`, most of it in the last three hours, with nulls in nullable columns.

    Older mail lies in only a hundred minutes, because the job needs time for each bucket.
    Twenty of these minutes are in the same hours of yesterday and of a week ago.
    Google accepts nearly all mail, Yahoo defers much of it, and others bounce much of it.
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
    """Write the events in random order in two parts, and run the job after each, so that the second part is late."""
    mixed = random.Random(seed).sample(events, len(events))
    half = len(mixed) // 2
    for part in (mixed[:half], mixed[half:]):
        house.store.write(Batch(part, tally=tally(part)))
        house.roll_up(datetime.now(tz=UTC) + timedelta(hours=1))


def counted(events: Iterable[MailEvent], key: Callable[[MailEvent], Any]) -> dict[Any, list[MailEvent]]:
    """Return the events by their key."""
    groups: dict[Any, list[MailEvent]] = {}
    for event in events:
        groups.setdefault(key(event), []).append(event)
    return groups


def share(events: Iterable[MailEvent], *actions: Action) -> float | None:
    """Return the share of the events that have one of these actions, None for fewer than a hundred events."""
    found = [event.action in actions for event in events]
    return sum(found) / len(found) if len(found) >= 100 else None


def waited(events: Iterable[MailEvent], part: float) -> float | None:
    """Return a quantile (`part`) of the delivered mail's seconds in the queue, interpolated as in the histogram."""
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
    """Return a time (epoch ms) some minutes ago at which no bucket and no bin ends."""
    return int(datetime.now(tz=UTC).timestamp()) // 300 * 300 * 1000 - 5 * MINUTE + 137_000


def _ms(value: object) -> object:
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value
