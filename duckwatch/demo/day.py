"""The times of the demo's mail: the curve of a day, the history before the start, the hours of the incidents."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS
HISTORY_EVENTS = 50_000
"""Approximate number of events before the start: enough to fill every panel, few enough to send within seconds."""


def busyness(hour: float) -> float:
    """Return the relative rate of events at an hour of the day (UTC, 0-24), with a mean of 1.

    The curve has a peak before noon, a lower one in the afternoon, and is low at night.
    """
    return 1 + 0.5 * math.cos(2 * math.pi * (hour - 13) / 24) + 0.12 * math.cos(4 * math.pi * (hour - 10) / 24)


def taper(rate: float, seconds: int, events: int) -> float:
    """Return the `a` (seconds) with which `rate · a / (age + a)`, over `seconds` of age, sums up to `events`.

    Return inf when even the full `rate` gives fewer events.
    """
    if rate * seconds <= events:
        return math.inf
    low, high = 0.0, float(seconds) * 1_000
    for _ in range(60):
        middle = (low + high) / 2
        if rate * middle * math.log((seconds + middle) / max(middle, 1e-9)) < events:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True, slots=True)
class Day:
    """The plan of a run.

    From `live_from` (epoch ms) on, a day of the plan passes in `day_seconds`, with a mean of `rate` events a second.
    The `history_seconds` before it pass in real time. They hold about `history_events`, fewer the older they are, so
    that the rate has no step at `live_from`.
    """

    rate: float
    live_from: int
    day_seconds: int = 600
    history_seconds: int = DAY_SECONDS
    history_events: int = HISTORY_EVENTS
    taper_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "taper_seconds", taper(self.rate, self.history_seconds, self.history_events))

    @property
    def begins(self) -> int:
        """The time of the first mail (epoch ms)."""
        return self.live_from - self.history_seconds * 1_000

    def elapsed(self, time: int) -> float:
        """Return the part of its day that has passed at `time`, in [0, 1).

        The days of the history and of the live part both begin at the start of the demo.
        """
        seconds = (time - self.live_from) / 1_000
        return (seconds / (self.day_seconds if seconds >= 0 else DAY_SECONDS)) % 1

    def rate_at(self, time: int) -> float:
        """Return the expected events a second at `time` (epoch ms)."""
        hour = (self.live_from / 1_000 / HOUR_SECONDS + self.elapsed(time) * 24) % 24
        age = max(0.0, (self.live_from - time) / 1_000)
        thinned = 1.0 if math.isinf(self.taper_seconds) else self.taper_seconds / (age + self.taper_seconds)
        return self.rate * busyness(hour) * thinned


@dataclass(frozen=True, slots=True)
class Incidents:
    """The daily incidents, as parts of the day.

    `cast.py` has the senders and receivers that they hit, `replies.py` the replies.
    """

    listed: tuple[float, float] = (0.08, 0.22)
    rate_limited: tuple[float, float] = (0.36, 0.50)
    bad_list: tuple[float, float] = (0.66, 0.76)


def within(window: tuple[float, float], elapsed: float) -> bool:
    """Return True when this part of the day is inside the window."""
    return window[0] <= elapsed < window[1]
