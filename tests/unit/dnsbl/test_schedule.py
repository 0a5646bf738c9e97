"""The planner in simulated time: budgets, slots, retries, breakers, and a whole day."""

from __future__ import annotations

import heapq
import random
from bisect import bisect_right
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.dnsbl.lists import DnsList
from exporters.dnsbl.lists.names import target
from exporters.dnsbl.schedule import Limits, Pair, Planner
from exporters.dnsbl.schedule.breaker import Breaker
from exporters.dnsbl.schedule.budget import Budget

DAY = 86_400.0
UNBOUND = replace(DnsList("bl.example"), queries_per_minute=None)


def pairs(lists: list[DnsList], targets: int, interval: float = 300.0) -> list[Pair]:
    """Return each list's test, then its targets."""
    made = [Pair(None, one, 3 * interval) for one in lists]
    for number in range(targets):
        one = target(f"10.0.{number // 256}.{number % 256}")
        made += [Pair(one, dns_list, interval) for dns_list in lists]
    return made


class World:
    """Lists with delays and outages, and a record of every query."""

    def __init__(self, planner: Planner, *, places: int = 128, seed: int = 1) -> None:
        self.planner, self.places = planner, places
        self.random = random.Random(seed)
        self.queries: dict[str, list[float]] = defaultdict(list)
        self.checks: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.passed_over: dict[str, list[float]] = defaultdict(list)
        self.dead: dict[str, tuple[float, float]] = {}
        self._ends: list[tuple[float, int, Pair, bool]] = []
        self._serial = 0
        self.most_in_flight: dict[str, int] = defaultdict(int)
        self._in_flight: dict[str, int] = defaultdict(int)

    def run(self, until: float) -> None:
        """Run from check to check."""
        now = 0.0
        while now < until:
            while self._ends and self._ends[0][0] <= now:
                self._end(*heapq.heappop(self._ends))
            begun, passed_over = self.planner.begin(now, self.places - len(self._ends))
            for pair in passed_over:
                self.passed_over[pair.dns_list.zone].append(now)
            for pair in begun:
                self._begin(pair, now)
            next_end = self._ends[0][0] if self._ends else until
            now = max(now + 0.001, min(next_end, self.planner.next_at(now)))

    def _begin(self, pair: Pair, now: float) -> None:
        zone = pair.dns_list.zone
        self.queries[zone].append(now)
        self.checks[(pair.target.text if pair.target else "test", zone)].append(now)
        self._in_flight[zone] += 1
        self.most_in_flight[zone] = max(self.most_in_flight[zone], self._in_flight[zone])
        died, back = self.dead.get(zone, (0.0, 0.0))
        is_dead = died <= now < back
        took = 2.0 if is_dead else self.random.uniform(0.005, 0.2)
        for _ in range(2 if is_dead else self.random.random() < 0.05):  # further tries, or a TXT query
            if self.planner.pay(zone, now):
                self.queries[zone].append(now)
                took += 2.0 if is_dead else 0.05
        self._serial += 1
        heapq.heappush(self._ends, (now + took, self._serial, pair, is_dead))

    def _end(self, now: float, _: int, pair: Pair, is_dead: bool) -> None:
        self._in_flight[pair.dns_list.zone] -= 1
        self.planner.end(pair, now, retry=is_dead, failed=is_dead)


def most_in_a_minute(times: list[float]) -> int:
    """Return the most queries in any sixty seconds."""
    ordered = sorted(times)
    return max((bisect_right(ordered, at + 59.999) - index for index, at in enumerate(ordered)), default=0)


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_a_day() -> None:
    """In a day with 500 targets and a dead list, no minute exceeds a budget and no interval is skipped elsewhere."""
    lists = [DnsList("bl1.example"), DnsList("bl2.example")]
    planner = Planner(Limits(queries_per_minute=6000), 0.0)
    planner.replace(pairs(lists, 500), Limits(queries_per_minute=6000), 0.0)
    world = World(planner)
    world.dead["bl2.example"] = (6 * 3600.0, 8 * 3600.0)
    world.run(DAY)
    for dns_list in lists:
        assert most_in_a_minute(world.queries[dns_list.zone]) <= 100
        assert world.most_in_flight[dns_list.zone] <= 8
    for (text, zone), times in world.checks.items():
        if zone == "bl2.example" or text == "test":
            continue
        assert times[0] <= 1.2 * 300, (text, zone)
        assert max(gaps(times)) <= 1.2 * 300, (text, zone)
        assert len(times) + 1 >= DAY / 300
    dead = [at for at in world.queries["bl2.example"] if 6 * 3600 + 120 <= at < 8 * 3600]
    assert 8 <= len(dead) <= 3 * 120, "a list that is dead is asked now and then"
    assert world.passed_over["bl2.example"]
    assert all(6 * 3600 <= at <= 8 * 3600 + 600 for at in world.passed_over["bl2.example"])
    for (text, zone), times in world.checks.items():
        if zone == "bl2.example" and text != "test":
            back = [at for at in times if at >= 8 * 3600 + 600]
            assert back[0] <= 8 * 3600 + 600 + 1.2 * 300
            assert max(gaps(back)) <= 1.2 * 300


def test_a_sweep_ends_as_soon_as_the_budget_allows() -> None:
    """The first sweep of 256 targets at 100 a minute ends within 1.2 times the least possible time."""
    lists = [DnsList(f"bl{number}.example") for number in range(3)]
    planner = Planner(Limits(), 0.0)
    planner.replace(pairs(lists, 256), Limits(), 0.0)
    world = World(planner)
    world.run(300.0)
    first = max(times[0] for (text, _), times in world.checks.items() if text != "test")
    assert first <= 1.2 * 256 / 100 * 60


def test_queries_are_spread_over_the_interval() -> None:
    """After the first sweep each tenth of an interval has about a tenth of the checks."""
    planner = Planner(Limits(), 0.0)
    planner.replace(pairs([replace(DnsList("bl.example"), queries_per_minute=None)], 300), Limits(), 0.0)
    world = World(planner)
    world.run(900.0)
    for tenth in range(10):
        start = 300 + tenth * 30
        assert 25 <= sum(start <= at < start + 30 for at in world.queries["bl.example"]) <= 40


def test_nothing_but_the_test_is_asked_before_the_list_was_tested() -> None:
    """Before a list's first test no check of it begins, and then all do."""
    planner = Planner(Limits(), 0.0)
    planner.replace(pairs([UNBOUND], 4), Limits(), 0.0)
    (test,), _ = planner.begin(0.0, 10)
    assert test.target is None
    assert planner.begin(0.0, 10) == ([], [])
    planner.end(test, 0.1, retry=False, failed=False)
    assert len(planner.begin(0.1, 10)[0]) == 4


def test_a_failed_check_is_asked_again_after_30_60_120_seconds_but_not_past_its_next_slot() -> None:
    """A failed check is retried after 30, 60 and 120 s, but not after its next slot."""
    planner = Planner(Limits(), 0.0)
    one = Pair(target("192.0.2.1"), UNBOUND, 300.0)
    planner.replace([Pair(None, one.dns_list, 900.0), one], Limits(), 0.0)
    world = World(planner)
    world.dead["bl.example"] = (0.5, 1e9)
    world.run(320.0)
    first, *again = [at - 6 for at in world.checks[("192.0.2.1", "bl.example")]]
    assert first < 0
    assert again[0] == pytest.approx(144)
    assert [round(gap) for gap in gaps(again)] == [36, 66]
    assert planner.next_slot(one, 320.0) == pytest.approx(450.0)


def test_a_pair_is_never_checked_twice_at_a_time() -> None:
    """A pair is never checked twice at a time: its next slot waits for the end of a long check."""
    planner = Planner(Limits(), 0.0)
    planner.replace([Pair(target("192.0.2.1"), UNBOUND, 10.0), Pair(None, UNBOUND, 30.0)], Limits(), 0.0)
    (test,), _ = planner.begin(0.0, 10)
    planner.end(test, 0.0, retry=False, failed=False)
    (one,), _ = planner.begin(0.0, 10)
    for now in range(1, 100):
        assert one not in planner.begin(float(now), 10)[0]
    planner.end(one, 100.0, retry=False, failed=False)
    assert one in planner.begin(planner.next_slot(one, 100.0), 10)[0]


def test_what_is_fresh_costs_nothing() -> None:
    """A check with a reusable answer costs no budget."""
    planner = Planner(Limits(), 0.0)
    one = Pair(target("192.0.2.1"), replace(DnsList("bl.example"), queries_per_minute=1), 10.0)
    planner.replace([Pair(None, one.dns_list, 1000.0), one], Limits(), 0.0)
    (test,), _ = planner.begin(0.0, 10)
    planner.end(test, 0.0, retry=False, failed=False)
    planner.pay("bl.example", 60.0)
    assert planner.begin(61.0, 10) == ([], []), "this minute's budget is used up"
    one.fresh_until = 100.0
    assert planner.begin(61.0, 10) == ([one], [])


def test_a_reload_keeps_budgets_and_schedules() -> None:
    """A reload keeps the queries of the last minute in the budget, and returns the removed pairs."""
    planner = Planner(Limits(), 0.0)
    lists = [replace(DnsList("bl.example"), queries_per_minute=10)]
    planner.replace(pairs(lists, 20), Limits(), 0.0)
    world = World(planner)
    world.run(30.0)
    for _ in range(10):
        planner.pay("bl.example", 30.0)
    gone = planner.replace(pairs(lists, 15), Limits(), 30.0)
    assert len(gone) == 5
    assert not planner.pay("bl.example", 31.0)
    assert planner.pay("bl.example", world.queries["bl.example"][0] + 60)


def test_the_breaker_opens_closes_and_waits_longer_each_time() -> None:
    """Ten failures open the breaker for a minute; then one check closes it, or opens it for twice as long."""
    breaker = Breaker()
    for _ in range(9):
        breaker.end(0.0, failed=True)
    breaker.end(0.0, failed=False)
    for _ in range(9):
        breaker.end(0.0, failed=True)
    breaker.end(0.0, failed=None)
    assert breaker.allows(0.0)
    breaker.end(0.0, failed=True)
    assert breaker.is_open
    assert not breaker.allows(59.9)
    assert breaker.allows(60.0)
    breaker.begin()
    assert not breaker.allows(61.0), "one at a time"
    breaker.end(62.0, failed=True)
    assert not breaker.allows(181.9)
    breaker.begin()
    breaker.end(182.0, failed=False)
    assert breaker.allows(182.0)


@given(st.integers(1, 20), st.lists(st.floats(0, 300), max_size=200))
def test_a_budget_is_kept_in_every_minute(limit: int, asked: list[float]) -> None:
    """A budget is kept in every span of 60 seconds."""
    budget, sent = Budget(limit), []
    for now in sorted(asked):
        if budget.has_room(now):
            budget.take(now)
            sent.append(now)
        else:
            assert budget.free_at(now) > now
    assert most_in_a_minute(sent) <= limit
