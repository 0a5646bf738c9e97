"""The planner under random reloads, failures, further queries and full places: its promises hold."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporters.dnsbl.lists import DnsList
from exporters.dnsbl.lists.names import target
from exporters.dnsbl.schedule import Limits, Pair, Planner
from tests.unit.dnsbl.test_schedule import most_in_a_minute

TURMOIL, END = 1200.0, 2400.0
"""Seconds: until TURMOIL everything may fail, after it nothing does, until END."""


class Turmoil:
    """Three lists, each with its own budget, that reloads add and remove."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.bounds = {f"bl{number}.example": self.chance.randint(3, 20) for number in range(3)}
        self.limits = Limits(self.chance.choice([None, 30, 100]), self.chance.randint(1, 3))
        self.planner, self.now = Planner(self.limits, 0.0), 0.0
        self.pairs: list[Pair] = []
        self.under_way: dict[Pair, tuple[float, bool]] = {}
        self.queries: dict[str, list[float]] = defaultdict(list)
        self.checked: dict[tuple[str | None, str], float] = {}
        self.reload()

    @property
    def is_over(self) -> bool:
        return self.now >= TURMOIL

    def reload(self) -> None:
        """Reload with other lists, targets and intervals."""
        self.pairs = []
        for zone, bound in self.bounds.items():
            dns_list = replace(DnsList(zone), queries_per_minute=bound)
            if self.chance.random() < 0.8:
                intervals = [self.chance.choice([60.0, 120.0]) for _ in range(self.chance.randint(0, 4))]
                self.pairs.append(Pair(None, dns_list, 180.0))
                self.pairs += [
                    Pair(target(f"192.0.2.{last}"), dns_list, interval) for last, interval in enumerate(intervals)
                ]
        self.planner.replace(self.pairs, self.limits, self.now)

    def step(self) -> None:
        """End due checks, begin allowed ones, and go on to the next time."""
        for pair in [pair for pair, (end, _) in self.under_way.items() if end <= self.now]:
            _, failed = self.under_way.pop(pair)
            self.planner.end(pair, self.now, retry=failed, failed=failed if self.chance.random() < 0.9 else None)
        if not self.is_over and self.chance.random() < 0.01:
            self.reload()
        zone = self.chance.choice(list(self.bounds))
        if not self.is_over and self.chance.random() < 0.1 and self.planner.pay(zone, self.now):
            self.queries[zone].append(self.now)
        for pair in self.planner.begin(self.now, 10 if self.is_over else self.chance.randint(0, 5))[0]:
            self._begin(pair)
        nearest = min([end for end, _ in self.under_way.values()] + [self.planner.next_at(self.now), END])
        self.now = max(self.now + 0.01, nearest if self.is_over else min(nearest, self.now + 5))

    def _begin(self, pair: Pair) -> None:
        zone = pair.dns_list.zone
        assert not pair.gone
        assert not any(
            one.target == pair.target and one.dns_list.zone == zone for one in self.under_way if not one.gone
        )
        self.queries[zone].append(self.now)
        self.checked[pair.target.text if pair.target else None, zone] = self.now
        took = self.chance.uniform(0.01, 0.1 if self.is_over else 8)
        self.under_way[pair] = self.now + took, not self.is_over and self.chance.random() < 0.4


@given(st.integers(0, 1 << 32))
def test_budgets_hold_and_every_pair_is_checked_again(seed: int) -> None:
    """Budgets hold in every minute through all reloads, also for a list that was removed and added again."""
    world = Turmoil(seed)
    while world.now < END:
        world.step()
    for zone, bound in world.bounds.items():
        assert most_in_a_minute(world.queries[zone]) <= bound
    if world.limits.queries_per_minute is not None:
        assert most_in_a_minute([at for one in world.queries.values() for at in one]) <= world.limits.queries_per_minute
    for pair in world.pairs:
        zone = pair.dns_list.zone
        if sum(60 / one.interval for one in world.pairs if one.dns_list.zone == zone) <= 0.9 * world.bounds[zone]:
            last = world.checked[pair.target.text if pair.target else None, zone]
            assert last > END - 1.5 * pair.interval - 120
