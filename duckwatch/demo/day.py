"""When the demo's mail is sent: the curve of a day, its history before the start, and the hours of its incidents."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS
HISTORY_EVENTS = 50_000
"""About how many events lie before the start: enough to fill every panel, few enough to be sent within seconds."""


def busyness(hour: float) -> float:
    """How busy an hour of the day (UTC, 0-24) is: mean 1, a peak before noon and a shoulder in the afternoon,
    quiet at night.
    """
    return 1 + 0.5 * math.cos(2 * math.pi * (hour - 13) / 24) + 0.12 * math.cos(4 * math.pi * (hour - 10) / 24)


def taper(rate: float, seconds: int, events: int) -> float:
    """Return the `a` (seconds) with which `rate · a / (age + a)`, over `seconds` of age, sums up to `events`;
    inf when even `rate` throughout does not.
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
    """The plan of a run. `rate` is the mean of events a second from `live_from` (epoch ms) on,
    where a day passes within `day_seconds`. The `history_seconds` before it pass at their own pace and thin out into
    the past, so that about `history_events` fill them and the present continues them without a step.
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
        """Epoch ms of the first moment that has mail."""
        return self.live_from - self.history_seconds * 1_000

    def elapsed(self, time: int) -> float:
        """Which part of its day has passed at `time`, in [0, 1):
        both days, the past one and the quick one, begin with the start of the demo.
        """
        seconds = (time - self.live_from) / 1_000
        return (seconds / (self.day_seconds if seconds >= 0 else DAY_SECONDS)) % 1

    def rate_at(self, time: int) -> float:
        """Events a second expected at `time` (epoch ms)."""
        hour = (self.live_from / 1_000 / HOUR_SECONDS + self.elapsed(time) * 24) % 24
        age = max(0.0, (self.live_from - time) / 1_000)
        thinned = 1.0 if math.isinf(self.taper_seconds) else self.taper_seconds / (age + self.taper_seconds)
        return self.rate * busyness(hour) * thinned


@dataclass(frozen=True, slots=True)
class Incidents:
    """What goes wrong each day, as parts of the day: who is hit is `cast.py`'s,
    what the other side then says is `replies.py`'s.
    """

    listed: tuple[float, float] = (0.08, 0.22)
    rate_limited: tuple[float, float] = (0.36, 0.50)
    bad_list: tuple[float, float] = (0.66, 0.76)


def within(window: tuple[float, float], elapsed: float) -> bool:
    """Is this part of the day inside the window?"""
    return window[0] <= elapsed < window[1]
