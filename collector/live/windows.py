"""The windows of Grafana Live: the recent past as the rows of each measurement. Pure, bounded, and without a clock.

Each push holds the newest rows of every measurement whole, always as many and with the same fields. So a panel is full
when it is opened, and a lost push leaves no gap.
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from collector.events.model.recent import COUNTED, NEWEST, NewEvent, newest
from collector.live.lines import Row, body, name_of, text_of
from collector.metrics.labels import MAX_ZONES, is_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from collector.events.model.recent import RecentCounts

SECONDS: Final = 300
"""The length of a window."""

FINE, COARSE, RANKING = 1, 5, 15
"""Seconds of a row: of `traffic` and `queue`; of zones and watched domains; of the sums that rank the top domains."""

MAX_RANKED: Final = 500
"""Domains that are counted in one slot of the ranking. Those with much mail come early."""

AHEAD_MS: Final = 2_000
"""How far ahead of this host's clock an event of the ticker may be."""

STATES: Final = ("deferred", "queued")
FIELDS: Final = tuple(action.value for action in COUNTED)
TICKER: Final = ("action", "sender_domain", "recipient_domain", "provider", "reason", "response_pattern")

_PLACE: Final[Mapping[str, int]] = {action: place for place, action in enumerate(COUNTED)}
_NO_EVENT: Final = ("",) * len(TICKER)

Slots: TypeAlias = "dict[int, list[int]]"
"""Counts by the epoch second at which a slot begins, in the order of `FIELDS`."""


class Windows:
    """What is known of the last five minutes. `watched` are domains as `sender_domain` spells them.

    Every method takes `now` in epoch seconds. Events in the future are kept until their second comes.
    """

    def __init__(self, watched: Sequence[str], top_domains: int) -> None:
        self._top = top_domains
        self._traffic: Slots = {}
        self._zones: dict[str, Slots] = {}
        self._watched: dict[str, Slots] = {domain: {} for domain in watched}
        self._ranking: dict[int, dict[str, list[int]]] = {}
        self._newest: list[NewEvent] = []
        self._queue: dict[int, Mapping[str, int]] = {}

    def add(self, recent: RecentCounts, now: int) -> None:
        """Add the counts and the newest events of a commit."""
        for (second, zone, action), count in recent.traffic.items():
            if _is_near(second, now):
                _count(self._traffic, second, FINE, action, count)
                if (slots := self._of_zone(zone)) is not None:
                    _count(slots, second, COARSE, action, count)
        for (second, domain, action), count in recent.domains.items():
            if _is_near(second, now):
                self._count_domain(second, domain, action, count)
        # An event of a host whose clock is ahead would stay on top until its time comes.
        come = [one for one in recent.newest if one.time < (now + 1) * 1000 + AHEAD_MS]
        self._newest = newest([*self._newest, *come])
        self._forget(now)

    def know_zones(self, zones: Iterable[str]) -> None:
        """Show these zones, also while they have no mail. Zones beyond the limit are left out."""
        for zone in zones:
            self._of_zone(zone)

    @property
    def zones(self) -> list[str]:
        """The zones that have a window."""
        return [*self._zones]

    def set_queue(self, second: int, states: Mapping[str, int], now: int) -> None:
        """Set how many recipients wait in the queue from this second on."""
        self._queue[second] = states
        self._forget(now)

    def render(self, now: int) -> str:
        """Return the body of a push. A window ends with the second `now`, which is not over yet."""
        self._forget(now)
        parts = [body("traffic", FIELDS, _rows(self._traffic, FINE, now))]
        if self._queue:
            parts.append(body("queue", STATES, self._queue_rows(now)))
        parts += [body(f"zone_{name_of(zone)}", FIELDS, _rows(of, COARSE, now)) for zone, of in self._zones.items()]
        parts += [
            body(f"domain_{name_of(domain)}", FIELDS, _rows(of, COARSE, now)) for domain, of in self._watched.items()
        ]
        parts.append(body("top_domains", ("domain", *FIELDS), self._top_rows(now)))
        parts.append(body("ticker", TICKER, self._ticker_rows(now)))
        return "".join(parts)

    def _of_zone(self, zone: str | None) -> Slots | None:
        if zone is None or not is_name(zone):
            return None
        if zone not in self._zones and len(self._zones) >= MAX_ZONES:
            return None
        return self._zones.setdefault(zone, {})

    def _count_domain(self, second: int, domain: str, action: str, count: int) -> None:
        if (slots := self._watched.get(domain)) is not None:
            _count(slots, second, COARSE, action, count)
        ranked = self._ranking.setdefault(second - second % RANKING, {})
        if domain in ranked or len(ranked) < MAX_RANKED:
            ranked.setdefault(domain, [0] * len(FIELDS))[_PLACE[action]] += count

    def _forget(self, now: int) -> None:
        """Remove what has left the window, and what lies too far ahead."""
        for slots in (self._traffic, *self._zones.values(), *self._watched.values()):
            _drop(slots, now)
        _drop(self._ranking, now)
        # The newest state before the window is how the window begins.
        for second in sorted(second for second in self._queue if not -SECONDS <= second - now <= SECONDS)[:-1]:
            del self._queue[second]

    def _queue_rows(self, now: int) -> Iterator[Row]:
        known = sorted(self._queue)
        place = 0
        for second in range(now - SECONDS + 1, now + 1):
            while place + 1 < len(known) and known[place + 1] <= second:
                place += 1
            states = self._queue[known[place]]
            yield second * 1000, [states.get(state, 0) for state in STATES]

    def _top_rows(self, now: int) -> Iterator[Row]:
        sums: dict[str, list[int]] = {}
        for ranked in [ranked for begin, ranked in self._ranking.items() if begin <= now]:
            for domain, counts in ranked.items():
                sums[domain] = [a + b for a, b in zip(sums.get(domain, [0] * len(FIELDS)), counts, strict=True)]
        found = nlargest(self._top, sums.items(), key=lambda one: (sum(one[1]), one[0]))
        for domain, counts in found:
            yield now * 1000, [text_of(domain), *counts]
        for _ in range(self._top - len(found)):
            yield now * 1000, ["", *[0] * len(FIELDS)]

    def _ticker_rows(self, now: int) -> Iterator[Row]:
        oldest = min((one.time for one in self._newest), default=now * 1000)
        for missing in range(NEWEST - len(self._newest), 0, -1):
            yield oldest - missing, _NO_EVENT
        for one in reversed(self._newest):
            yield one.time, [text_of(value) for value in one[1:]]


def _is_near(second: int, now: int) -> bool:
    return -SECONDS < second - now < SECONDS


def _count(slots: Slots, second: int, width: int, action: str, count: int) -> None:
    slots.setdefault(second - second % width, [0] * len(FIELDS))[_PLACE[action]] += count


def _drop(slots: dict[int, Any], now: int) -> None:
    for begin in [begin for begin in slots if not _is_near(begin, now)]:
        del slots[begin]


def _rows(slots: Slots, width: int, now: int) -> Iterator[Row]:
    last = now - now % width
    for begin in range(last - SECONDS + width, last + 1, width):
        yield begin * 1000, slots.get(begin) or [0] * len(FIELDS)
