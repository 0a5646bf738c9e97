"""The health of lists, found by their test points (RFC 5782, 5), regularly and before a verdict changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from exporters.dnsbl.asking.wire import A
from exporters.dnsbl.lists import names
from exporters.dnsbl.lists.names import TargetKind
from exporters.dnsbl.verdicts.lookup_result import Failure, Outcome, Trouble
from exporters.dnsbl.verdicts.verdict import UNHEALTHY, Verdict, VerdictKind, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporters.dnsbl.checking.queries import ListQueries
    from exporters.dnsbl.lists import DnsList
    from exporters.dnsbl.lists.model import TestPoints
    from exporters.dnsbl.metrics import Metrics
    from exporters.dnsbl.schedule import Pair, Planner

log = logging.getLogger(__name__)

TEST_PATIENCE: Final = 65.0
"""Seconds that a test waits for room in its list's budget. Room comes within a minute, when a query leaves it."""

SAYS_NOTHING: Final = (Trouble.NO_BUDGET, Trouble.UNREACHABLE)
"""Failures of the exporter or the resolvers, which say nothing about the list."""


class ListHealth(StrEnum):
    """How a list answered its test points."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    WRONG = "wrong"
    SILENT = "silent"
    REFUSED = "refused"

    @property
    def state(self) -> str:
        """The member of `STATES` that metrics show."""
        return "unhealthy" if self in (ListHealth.WRONG, ListHealth.SILENT) else self.value


STATES: Final = ("healthy", "unhealthy", "refused", "unknown")
"""The values of the label `state` of duckwatch_dnsbl_list_state. Exactly one has the value 1 for each list."""


@dataclass(slots=True)
class ListWatch:
    """A list's health, and when it was last tested."""

    health: ListHealth = ListHealth.UNKNOWN
    at: float = -1e9
    failure: Verdict = UNHEALTHY
    """The last real failure: the verdict of the targets that are not asked about while the list's breaker is open."""
    shown: Verdict = UNHEALTHY
    """The list's answer to the test point that it failed last."""
    test: asyncio.Task[ListHealth] | None = None

    @property
    def refusal(self) -> Verdict | None:
        """The verdict about every target while the list refuses every query, else None."""
        return self.shown if self.health is ListHealth.REFUSED else None

    @property
    def problem(self) -> str:
        """Why the list is not healthy."""
        if self.health is ListHealth.REFUSED:
            return f"it answers every query with {', '.join(self.shown.answers)}: {'; '.join(self.shown.refusals)}"
        if self.health is ListHealth.SILENT:
            return f"its test points have no usable answer: {self.shown.detail.replace('_', ' ')}"
        return "its test points are answered wrongly: it lists what no list may, or does not list what every list must"

    @property
    def advice(self) -> str:
        """What the operator can do about the problem."""
        return self.shown.advice or "if the list is closed or its name was sold, remove it from dnsbl.lists"


class ListWatches:
    """The health of all lists. `on_room` is called when a test stops holding back its list's other queries."""

    def __init__(self, planner: Planner, questions: ListQueries, metrics: Metrics, on_room: Callable[[], None]) -> None:
        self._planner, self._questions, self._metrics, self._on_room = planner, questions, metrics, on_room
        self._watches: dict[str, ListWatch] = {}
        self._has_ipv6: set[str] = set()

    def use(self, pairs: Iterable[Pair]) -> None:
        """Watch the lists of these pairs from now on."""
        found = list(pairs)
        self._has_ipv6 = {pair.dns_list.zone for pair in found if pair.target and pair.target.version == 6}
        zones = {pair.dns_list.zone for pair in found}
        for zone in [zone for zone in self._watches if zone not in zones]:
            del self._watches[zone]
            for gauge in (self._metrics.list_healthy, self._metrics.list_breaker_open):
                with contextlib.suppress(KeyError):
                    gauge.remove(zone)
            for state in STATES:
                self._metrics.list_state.remove(zone, state)
        for zone in zones - self._watches.keys():
            self._watches[zone] = ListWatch()
            self._show_state(zone, ListHealth.UNKNOWN)

    def __getitem__(self, zone: str) -> ListWatch:
        return self._watches[zone]

    def health(self, zone: str) -> ListHealth:
        """How a list answered its test points."""
        watch = self._watches.get(zone)
        return watch.health if watch is not None else ListHealth.UNKNOWN

    def refusal(self, zone: str) -> Verdict | None:
        """Return the verdict about every target of a list that refuses every query, None for another list."""
        watch = self._watches.get(zone)
        return watch.refusal if watch is not None else None

    def items(self) -> list[tuple[str, ListWatch]]:
        """Return each list's zone and health, sorted by zone."""
        return sorted(self._watches.items())

    def _show_state(self, zone: str, health: ListHealth) -> None:
        for state in STATES:
            self._metrics.list_state.labels(zone, state).set(state == health.state)

    def show(self) -> None:
        """Set the gauges of the lists' breakers."""
        for zone in self._watches:
            self._metrics.list_breaker_open.labels(zone).set(self._planner.is_left_alone(zone))

    async def test(self, dns_list: DnsList, *, is_paid: bool = False) -> ListHealth:
        """Ask a list about its test points. Concurrent callers share one test.

        Return `ListHealth.UNKNOWN` when the test says nothing about the list.
        """
        watch = self._watches[dns_list.zone]
        if watch.test is None:
            watch.test = asyncio.get_running_loop().create_task(self._test(dns_list, watch, is_paid=is_paid))
        return await asyncio.shield(watch.test)

    async def _test(self, dns_list: DnsList, watch: ListWatch, *, is_paid: bool) -> ListHealth:
        try:
            health, shown = ListHealth.HEALTHY, UNHEALTHY
            for points in self._points(dns_list):
                for point, should_list in ((points.listed, True), (points.unlisted, False)):
                    if point is None or health is not ListHealth.HEALTHY:
                        continue
                    outcome = await self._ask_point(names.target(point).wire, dns_list, is_paid=is_paid)
                    health, is_paid = _judge_test(outcome, dns_list, should_list=should_list), False
                    shown = judge(outcome, dns_list)
            if health is ListHealth.UNKNOWN or self._watches.get(dns_list.zone) is not watch:
                # A test without a result changes nothing, and a list that a reload removed is not shown.
                return health
            if health is ListHealth.SILENT and watch.health is ListHealth.WRONG:
                health = ListHealth.WRONG  # no answer does not disprove a wrong one
            self._note(dns_list.zone, watch, health, shown)
            return health
        finally:
            watch.test = None

    def note_refusal(self, dns_list: DnsList, verdict: Verdict) -> None:
        """Note that the list refused a query about a target. A list without test points then counts as refusing
        everything.
        """
        watch = self._watches.get(dns_list.zone)
        has_points = any(points.listed or points.unlisted for points in self._points(dns_list))
        if watch is not None and not has_points:
            self._note(dns_list.zone, watch, ListHealth.REFUSED, verdict)

    def _note(self, zone: str, watch: ListWatch, health: ListHealth, shown: Verdict) -> None:
        """Keep what a test found, and log a change of the list's state once."""
        before = watch.health.state
        watch.health, watch.shown, watch.at = health, shown, asyncio.get_running_loop().time()
        watch.failure = watch.refusal or watch.failure
        self._metrics.list_healthy.labels(zone).set(health is ListHealth.HEALTHY)
        self._show_state(zone, health)
        if health.state == before:
            return
        if health is not ListHealth.HEALTHY:
            message = "a list refuses every query" if health is ListHealth.REFUSED else "a list is unhealthy"
            fields = {"list": zone, "problem": watch.problem, "to_do": watch.advice}
            log.warning(message, extra={"fields": fields})
        elif before != ListHealth.UNKNOWN.state:
            log.info("a list is healthy again", extra={"fields": {"list": zone}})

    async def _ask_point(self, prefix: bytes, dns_list: DnsList, *, is_paid: bool) -> Outcome:
        """Ask about a test point as soon as the list's budget has room, before all other queries to the list."""
        loop, zone = asyncio.get_running_loop(), dns_list.zone
        until = loop.time() + TEST_PATIENCE
        self._planner.claim(zone, waits=not is_paid)
        try:
            while not is_paid and not self._planner.pay(zone, loop.time(), for_test=True):
                room = self._planner.room_at(zone, loop.time())
                if room > until:
                    return Failure(Trouble.NO_BUDGET)
                await asyncio.sleep(max(0.01, room - loop.time()))
        finally:
            self._planner.claim(zone, waits=False)
            self._on_room()
        return await self._questions.ask(prefix, A, dns_list, for_test=True)

    def _points(self, dns_list: DnsList) -> Iterator[TestPoints]:
        if dns_list.kind is TargetKind.DOMAIN or dns_list.ipv4:
            yield dns_list.test
        if dns_list.zone in self._has_ipv6 or (dns_list.kind is TargetKind.ADDRESS and not dns_list.ipv4):
            yield dns_list.ipv6_test


def _judge_test(outcome: Outcome, dns_list: DnsList, *, should_list: bool) -> ListHealth:
    if isinstance(outcome, Failure) and outcome.trouble in SAYS_NOTHING:
        return ListHealth.UNKNOWN
    verdict = judge(outcome, dns_list)
    if verdict.detail == "refused_code":
        return ListHealth.REFUSED
    if verdict.kind is VerdictKind.ERROR:
        return ListHealth.SILENT
    if verdict.kind is VerdictKind.REFUSED:
        return ListHealth.WRONG
    return ListHealth.HEALTHY if (verdict.kind is VerdictKind.LISTED) == should_list else ListHealth.WRONG
