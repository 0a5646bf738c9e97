"""The planner: which checks may begin now.

Each pair of target and list has a slot in its interval, so that queries are spread. A pair's first check begins as
soon as the budget allows. Late checks begin in order, and a pair is never checked twice at a time.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from exporters.dnsbl.schedule.breaker import Breaker
from exporters.dnsbl.schedule.budget import MINUTE, Budget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporters.dnsbl.lists import DnsList
    from exporters.dnsbl.lists.names import Target
    from exporters.dnsbl.verdicts.lookup_result import Outcome

RETRY_SECONDS: Final = 30.0
RETRIES: Final = 5
FULL_USE: Final = 0.5
"""Use of a list's budget above which a pair is not checked twice in its first interval: there is no room for it."""

MOMENT: Final = 0.001
"""A slot nearer than this counts as now, so that rounding does not use the same slot twice."""

TEST_INTERVALS: Final = 3
"""A list is tested once in this many intervals, and before a verdict changes."""


@dataclass(slots=True, eq=False)
class Pair:
    """A target at a list, or with `target` None the list's test. `outcome` is reused until `fresh_until` (its TTL)."""

    target: Target | None
    dns_list: DnsList
    interval: float
    name: str | None = None
    phase: float = 0.0
    retries: int = 0
    fresh_until: float = -math.inf
    outcome: Outcome | None = None
    is_first: bool = True
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the queries to all lists together, and on one list's queries in flight."""

    queries_per_minute: int | None = None
    in_flight_per_list: int = 8


@dataclass(slots=True)
class _Lane:
    """One list's checks."""

    budget: Budget
    breaker: Breaker = field(default_factory=Breaker)
    heap: list[tuple[float, int, Pair]] = field(default_factory=list)
    in_flight: int = 0
    use: float = 0.0
    """The share of the budget that regular checks use."""
    is_tested: bool = False
    """False until the list's first test has ended. Until then no other check of the list begins."""
    is_claimed: bool = False
    """True while a test waits for room in the budget. Other checks of the list wait for it."""


class Planner:
    """Plans the checks of all lists. Times are seconds of a monotonic clock."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits, self._epoch = limits, now
        self._budget = Budget(limits.queries_per_minute)
        self._lanes: dict[str, _Lane] = {}
        self._closed: dict[str, Budget] = {}
        """The budgets of lists removed within the last minute. A list that comes back continues with its budget."""
        self._pairs: dict[tuple[str | None, str], Pair] = {}
        self._serial = 0
        self._first = 0

    def replace(self, pairs: Iterable[Pair], limits: Limits, now: float) -> list[Pair]:
        """Plan these pairs from now on. Known pairs keep their state. Return the pairs that are no longer checked."""
        if limits.queries_per_minute != self._limits.queries_per_minute:
            budget = Budget(limits.queries_per_minute)
            budget.inherit(self._budget)
            self._budget = budget
        self._limits = limits
        wanted = {_key(pair): pair for pair in pairs}
        gone = []
        for key, known in list(self._pairs.items()):
            new = wanted.get(key)
            if new is None or new.dns_list != known.dns_list or new.interval != known.interval:
                known.gone = True
                del self._pairs[key]
                if new is None:
                    gone.append(known)
        self._open_lanes(wanted.values(), now)
        self._spread(wanted.values())
        new_of_list: Counter[str] = Counter()
        for key, pair in wanted.items():
            if key not in self._pairs:
                self._pairs[key] = pair
                bound = pair.dns_list.queries_per_minute
                # First checks follow each other as fast as the budget allows, in the order of the slots.
                wait = MINUTE / bound if bound is not None else 0.0
                self._push(pair, now + wait * new_of_list[pair.dns_list.zone])
                new_of_list[pair.dns_list.zone] += 1
            else:
                self._pairs[key].phase, self._pairs[key].name = pair.phase, pair.name
        return gone

    def _open_lanes(self, pairs: Iterable[Pair], now: float) -> None:
        lists = {pair.dns_list.zone: pair.dns_list for pair in pairs}
        for zone in [zone for zone in self._lanes if zone not in lists]:
            self._closed[zone] = self._lanes.pop(zone).budget
        for zone, dns_list in lists.items():
            budget, lane = Budget(dns_list.queries_per_minute), self._lanes.get(zone)
            if lane is not None:
                budget.inherit(lane.budget)
                lane.budget = budget
            else:
                if zone in self._closed:
                    budget.inherit(self._closed.pop(zone))
                self._lanes[zone] = _Lane(budget)
        self._closed = {zone: budget for zone, budget in self._closed.items() if budget.is_in_use(now)}

    def _spread(self, pairs: Iterable[Pair]) -> None:
        """Give the pairs of each list evenly spread slots; the test comes first."""
        by_list: dict[str, list[Pair]] = {}
        for pair in pairs:
            by_list.setdefault(pair.dns_list.zone, []).append(pair)
        for zone, members in by_list.items():
            budget = members[0].dns_list.queries_per_minute
            rate = sum(MINUTE / pair.interval for pair in members)
            self._lanes[zone].use = rate / budget if budget is not None else 0.0
            for index, pair in enumerate(members):
                pair.phase = pair.interval * index / len(members)

    def _push(self, pair: Pair, due: float) -> None:
        self._serial += 1
        lane = self._lanes[pair.dns_list.zone]
        heapq.heappush(lane.heap, (due if pair.target else due - 1e-6, self._serial, pair))

    def begin(self, now: float, places: int) -> tuple[list[Pair], list[Pair]]:
        """Return the checks to begin now, and the due ones whose list's breaker is open, which are judged without a
        query.

        At most `places` checks begin. One query of each is paid for.
        """
        begun: list[Pair] = []
        passed_over: list[Pair] = []
        lanes = list(self._lanes.values())
        if not lanes:
            return begun, passed_over
        self._first = (self._first + 1) % len(lanes)
        lanes = lanes[self._first :] + lanes[: self._first]
        while lanes and len(begun) < places:
            lanes = [lane for lane in lanes if self._begin_one(lane, now, begun, passed_over, places)]
        return begun, passed_over

    def _begin_one(self, lane: _Lane, now: float, begun: list[Pair], passed_over: list[Pair], places: int) -> bool:
        """Begin one check of a list. Return False when there is none to begin."""
        while True:
            pair = self._due(lane, now)
            if pair is None or len(begun) >= places or lane.in_flight >= self._limits.in_flight_per_list:
                return False
            if not lane.is_tested and (pair.target is not None or lane.in_flight):
                return False
            is_fresh = pair.fresh_until > now
            if is_fresh or lane.breaker.allows(now):
                break
            heapq.heappop(lane.heap)
            passed_over.append(pair)
            self._push(pair, self.next_slot(pair, now))
        if not is_fresh:
            if lane.is_claimed or not (lane.budget.has_room(now) and self._budget.has_room(now)):
                return False
            self._pay(lane, now)
            lane.breaker.begin()
        heapq.heappop(lane.heap)
        lane.in_flight += 1
        begun.append(pair)
        return True

    def _due(self, lane: _Lane, now: float) -> Pair | None:
        while lane.heap and lane.heap[0][2].gone:
            heapq.heappop(lane.heap)
        return lane.heap[0][2] if lane.heap and lane.heap[0][0] <= now else None

    def _pay(self, lane: _Lane, now: float) -> None:
        lane.budget.take(now)
        self._budget.take(now)

    def pay(self, zone: str, now: float, *, for_test: bool = False) -> bool:
        """Pay for one more query to a list. Return False when the budget has no room: the query must not be sent."""
        lane = self._lanes.get(zone)
        if lane is None or (lane.is_claimed and not for_test):
            return False
        kept = 0 if for_test else lane.budget.test_share
        if not (lane.budget.has_room(now, kept) and self._budget.has_room(now)):
            return False
        self._pay(lane, now)
        return True

    def claim(self, zone: str, *, waits: bool) -> None:
        """Reserve a list's budget for its test, or release it (`waits` False)."""
        if zone in self._lanes:
            self._lanes[zone].is_claimed = waits

    def room_at(self, zone: str, now: float) -> float:
        """Return the time at which a list's test may send a query; infinite when the list is no longer checked."""
        lane = self._lanes.get(zone)
        return math.inf if lane is None else max(lane.budget.free_at(now), self._budget.free_at(now))

    def end(self, pair: Pair, now: float, *, retry: bool, failed: bool | None) -> None:
        """Note that a check has ended.

        `retry`: check again before the next slot. `failed`: the breaker's result, None when it says nothing about the
        list.
        """
        lane = self._lanes.get(pair.dns_list.zone)
        if lane is None:
            return
        lane.in_flight = max(0, lane.in_flight - 1)
        if pair.target is None:
            lane.is_tested = True
        lane.breaker.end(now, failed=failed)
        if not pair.gone:
            self._push(pair, self._next_check(lane, pair, now, retry=retry))

    def _next_check(self, lane: _Lane, pair: Pair, now: float, *, retry: bool) -> float:
        # The first check comes before its slot. If the budget is nearly used up, the pair's slot in the same
        # interval is skipped.
        too_soon = pair.interval * FULL_USE if pair.is_first and lane.use > FULL_USE else 0.0
        pair.is_first = False
        slot = self.next_slot(pair, now + too_soon)
        again = now + RETRY_SECONDS * (1 << pair.retries)
        if retry and pair.retries < RETRIES and again < slot:
            pair.retries += 1
            return again
        pair.retries = 0
        return slot

    def next_slot(self, pair: Pair, now: float) -> float:
        """Return the pair's next slot after now."""
        start = self._epoch + pair.phase
        slots_past = int((now + MOMENT - start) // pair.interval)
        return start + (slots_past + 1) * pair.interval

    def next_at(self, now: float) -> float:
        """Return the time at which `begin` may find a check, unless one ends before; infinite when none is planned."""
        return min((self._next_of(lane, now) for lane in self._lanes.values()), default=math.inf)

    def _next_of(self, lane: _Lane, now: float) -> float:
        if (
            not lane.heap
            or lane.in_flight >= self._limits.in_flight_per_list
            or (lane.in_flight and not lane.is_tested)
            or lane.is_claimed
        ):
            return math.inf
        due, _, pair = lane.heap[0]
        if pair.fresh_until > due or not lane.breaker.allows(max(now, due)):
            return due
        return max(due, lane.budget.free_at(now), self._budget.free_at(now))

    def lag(self, now: float) -> float:
        """Return the seconds by which the longest waiting check is late; negative when none is."""
        return max((now - lane.heap[0][0] for lane in self._lanes.values() if lane.heap), default=0.0)

    def is_left_alone(self, zone: str) -> bool:
        """Return True while the list's breaker is open."""
        lane = self._lanes.get(zone)
        return lane is not None and lane.breaker.is_open

    def pairs(self) -> Iterator[Pair]:
        """Return every pair with a target, without the tests."""
        return (pair for pair in self._pairs.values() if pair.target is not None)


def _key(pair: Pair) -> tuple[str | None, str]:
    return (pair.target.text if pair.target else None, pair.dns_list.zone)
