"""The checks themselves: what the planner says may begin is asked, judged, held against the list's health, and noted on the board."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from exporters.dnsbl import names
from exporters.dnsbl.asking.resolver import Asker
from exporters.dnsbl.asking.wire import TXT, A
from exporters.dnsbl.board import Board, Change, Moment
from exporters.dnsbl.names import Kind
from exporters.dnsbl.outcome import Answer, Failure, Outcome, Trouble
from exporters.dnsbl.plan import interval_of
from exporters.dnsbl.schedule import Pair, Planner
from exporters.dnsbl.schedule.planner import TEST_INTERVALS
from exporters.dnsbl.verdict import UNHEALTHY, Verdict, Word, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporters.dnsbl.asking import Resolver
    from exporters.dnsbl.lists import DnsList
    from exporters.dnsbl.lists.model import TestPoints
    from exporters.dnsbl.metrics import Metrics, PairLines
    from exporters.dnsbl.plan import Checked, Plan

log = logging.getLogger(__name__)

CONFIRM_FIRST_SECONDS: Final = 60.0
CONFIRM_CHANGE_SECONDS: Final = 1.0
"""A list that lists a target anew, or changes its mind about one, must have shown within so long that it works."""
REASON_SECONDS: Final = 3600.0
MAX_REASON: Final = 500
IDLE_SECONDS: Final = 1.0

_SAYS_NOTHING: Final = (Trouble.NO_BUDGET, Trouble.UNREACHABLE)
"""Failures of ours and of the resolvers, not of the list."""


class Health(StrEnum):
    """How a list answered its test points."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    WRONG = "wrong"
    SILENT = "silent"


@dataclass(slots=True)
class _Watch:
    """A list's health."""

    health: Health = Health.UNKNOWN
    at: float = -1e9
    failure: Verdict = UNHEALTHY
    """What the last real failure was: the verdict of whoever is not asked while the list is left alone."""
    test: asyncio.Task[Health] | None = None


def pairs_of(plan: Plan, targets: Iterable[Checked]) -> Iterator[Pair]:
    """Each list's test, then each target at each list that takes it."""
    for dns_list in plan.lists:
        yield Pair(None, dns_list, TEST_INTERVALS * dns_list.interval.total_seconds())
    for checked in targets:
        for dns_list in plan.lists_for(checked):
            interval = interval_of(checked, dns_list).total_seconds()
            yield Pair(checked.target, dns_list, interval, checked.name)


class Checks:
    """Runs what is planned, until cancelled."""

    def __init__(
        self,
        planner: Planner,
        board: Board,
        lines: PairLines,
        metrics: Metrics,
        tell: Callable[[Change], None],
    ) -> None:
        self._planner, self.board, self._lines, self._metrics, self._tell = planner, board, lines, metrics, tell
        self._resolver: Resolver | None = None
        self._watches: dict[str, _Watch] = {}
        self._has_ipv6: set[str] = set()
        self._wake = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self.is_stopping = False

    def use(self, resolver: Resolver, pairs: Iterable[Pair]) -> None:
        """Asks these resolvers about these pairs from now on (the planner has them already)."""
        self._resolver = resolver
        found = list(pairs)
        self._has_ipv6 = {pair.dns_list.zone for pair in found if pair.target and pair.target.version == 6}
        zones = {pair.dns_list.zone for pair in found}
        for zone in [zone for zone in self._watches if zone not in zones]:
            del self._watches[zone]
            for gauge in (self._metrics.list_healthy, self._metrics.list_breaker_open, self._metrics.last_check):
                with contextlib.suppress(KeyError):
                    gauge.remove(zone)
        for zone in zones:
            self._watches.setdefault(zone, _Watch())
        self._wake.set()

    def forget(self, pair: Pair) -> None:
        """The pair is checked no longer: nothing is shown of it."""
        if pair.target is not None:
            self.board.forget(pair)
            self._lines.remove(pair.target.text, pair.dns_list.zone)

    def health(self, zone: str) -> Health:
        """How a list answered its test points."""
        watch = self._watches.get(zone)
        return watch.health if watch is not None else Health.UNKNOWN

    async def run(self) -> None:
        """Begins checks as they fall due."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            now = loop.time()
            assert self._resolver is not None
            begun, passed_over = self._planner.begin(now, max(0, self._resolver.free_places))
            for pair in passed_over:
                if pair.target is not None:
                    self._note(pair, self._watches[pair.dns_list.zone].failure, moment(now))
            for pair in begun:
                task = loop.create_task(self._check(pair, now) if pair.target is not None else self._test_due(pair))
                self._under_way.add(task)
                task.add_done_callback(self._ended)
            if not begun:
                wait = min(IDLE_SECONDS, max(0.0, self._planner.next_at(now) - loop.time()))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait or 0.001)
            else:
                await asyncio.sleep(0)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._wake.set()

    async def _check(self, pair: Pair, now: float) -> None:
        """One check, from the question to the board. `now` is when the planner began it, and paid for it or found its answer fresh."""
        assert pair.target is not None
        dns_list, is_fresh = pair.dns_list, pair.fresh_until > now
        outcome: Outcome = Failure(Trouble.NO_BUDGET)
        verdict = UNHEALTHY
        try:
            outcome = pair.outcome if is_fresh and pair.outcome else await self.ask(pair.target.wire, A, dns_list)
            verdict = await self._held_to_health(pair, judge(outcome, dns_list))
            now = asyncio.get_running_loop().time()
            reason = await self._reason(pair, verdict, now)
            self._note(pair, verdict, moment(now), reason)
            if not is_fresh and isinstance(outcome, Answer):
                pair.outcome, pair.fresh_until = outcome, now + outcome.ttl
        except Exception:
            log.exception("a check failed")
        finally:
            if verdict.detail == UNHEALTHY.detail:
                pair.fresh_until = 0.0
            self._planner.end(
                pair,
                asyncio.get_running_loop().time(),
                retry=not verdict.word.is_real,
                failed=_blames(outcome, verdict, is_fresh=is_fresh),
            )

    async def ask(self, prefix: bytes, rdtype: int, dns_list: DnsList) -> Outcome:
        """One lookup, whose first query is paid for."""
        assert self._resolver is not None
        zone, metrics = dns_list.zone, self._metrics
        loop = asyncio.get_running_loop()
        metrics.queries.labels(zone).inc()

        def pay() -> bool:
            paid = self._planner.pay(zone, loop.time())
            if paid:
                metrics.queries.labels(zone).inc()
            return paid

        return await self._resolver.lookup(
            prefix + dns_list.wire, rdtype, Asker(zone, pay, metrics.query_seconds.labels(zone).observe)
        )

    async def ask_if_paid(self, prefix: bytes, rdtype: int, dns_list: DnsList) -> Outcome:
        """One lookup, if the list's budget has room for it."""
        if not self._planner.pay(dns_list.zone, asyncio.get_running_loop().time()):
            return Failure(Trouble.NO_BUDGET)
        return await self.ask(prefix, rdtype, dns_list)

    async def _held_to_health(self, pair: Pair, verdict: Verdict) -> Verdict:
        """The verdict, or that the list is unhealthy. Before a list changes its mind about a target it has to show again that it works."""
        assert pair.target is not None
        if not verdict.word.is_real:
            return verdict
        watch = self._watches[pair.dns_list.zone]
        stands = self.board.standing(pair.target.text, pair.dns_list.zone)
        is_change = stands is not verdict.word and (stands is not None or verdict.word is Word.LISTED)
        limit = CONFIRM_FIRST_SECONDS if stands is None else CONFIRM_CHANGE_SECONDS
        if is_change and asyncio.get_running_loop().time() - watch.at > limit:
            await self.test(pair.dns_list)
        return UNHEALTHY if watch.health is Health.WRONG else verdict

    async def _reason(self, pair: Pair, verdict: Verdict, now: float) -> str | None:
        """The list's own words about the target, asked for when it is listed anew, otherwise, or again after an hour."""
        assert pair.target is not None
        if verdict.word is not Word.LISTED:
            return None
        row = self.board.row(pair.target.text, pair.dns_list.zone)
        if row is not None and row.real is not None and row.reason is not None:
            is_old = row.real.codes != verdict.codes or now - row.reason_at >= REASON_SECONDS
            if not is_old:
                return None
        return text_of(await self.ask_if_paid(pair.target.wire, TXT, pair.dns_list), pair.dns_list)

    def _note(self, pair: Pair, verdict: Verdict, now: Moment, reason: str | None = None) -> None:
        if pair.gone or pair.target is None:
            return
        zone = pair.dns_list.zone
        self._metrics.verdicts.labels(zone, verdict.word.value).inc()
        change = self.board.record(pair, verdict, now, reason)
        if verdict.word.is_real:
            self._metrics.last_check.labels(zone).set(now.epoch_ms / 1000)
            codes = sorted({(code.code, code.severity.value) for code in verdict.codes})
            self._lines.set(pair.target.text, zone, listed=verdict.word is Word.LISTED, codes=codes)
        else:
            self._watches[zone].failure = verdict
        if change is not None:
            self._tell(change)

    def lapse(self) -> None:
        """Takes away what has stood too long without a real verdict."""
        for change in self.board.lapse(self._planner.pairs(), moment(asyncio.get_running_loop().time())):
            assert change.pair.target is not None
            self._lines.remove(change.pair.target.text, change.pair.dns_list.zone)
            self._tell(change)

    async def _test_due(self, pair: Pair) -> None:
        health = Health.UNKNOWN
        try:
            health = await self.test(pair.dns_list, is_paid=True)
        except Exception:
            log.exception("a test failed")
        finally:
            now = asyncio.get_running_loop().time()
            silent = True if health is Health.SILENT else None
            failed = False if health is Health.HEALTHY else silent
            self._planner.end(pair, now, retry=health is not Health.HEALTHY, failed=failed)

    async def test(self, dns_list: DnsList, *, is_paid: bool = False) -> Health:
        """Asks a list its test points, once for all who want to know at the same time."""
        watch = self._watches[dns_list.zone]
        if watch.test is None:
            watch.test = asyncio.get_running_loop().create_task(self._test(dns_list, watch, is_paid=is_paid))
        return await asyncio.shield(watch.test)

    async def _test(self, dns_list: DnsList, watch: _Watch, *, is_paid: bool) -> Health:
        try:
            health = Health.HEALTHY
            for points in self._points(dns_list):
                for point, should_list in ((points.listed, True), (points.unlisted, False)):
                    if point is None or health is not Health.HEALTHY:
                        continue
                    prefix = names.target(point).wire
                    ask, is_paid = (self.ask if is_paid else self.ask_if_paid), False
                    health = _judge_test(judge(await ask(prefix, A, dns_list), dns_list), should_list=should_list)
            if health is Health.SILENT and watch.health is Health.WRONG:
                health = Health.WRONG  # silence does not clear it
            watch.health, watch.at = health, asyncio.get_running_loop().time()
            self._metrics.list_healthy.labels(dns_list.zone).set(health is Health.HEALTHY)
            return health
        finally:
            watch.test = None

    def _points(self, dns_list: DnsList) -> Iterator[TestPoints]:
        if dns_list.kind is Kind.DOMAIN or dns_list.ipv4:
            yield dns_list.test
        if dns_list.zone in self._has_ipv6 or (dns_list.kind is Kind.ADDRESS and not dns_list.ipv4):
            yield dns_list.ipv6_test

    def show(self) -> None:
        """Sets the gauges that follow the planner and the resolvers."""
        metrics = self._metrics
        for zone in self._watches:
            metrics.list_breaker_open.labels(zone).set(self._planner.is_left_alone(zone))
        metrics.schedule_lag.set(max(0.0, self._planner.lag(asyncio.get_running_loop().time())))
        if self._resolver is not None:
            for address, is_up in self._resolver.states().items():
                metrics.resolver_up.labels(address).set(is_up)

    async def stop(self) -> None:
        """Cancels what is under way."""
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


def _judge_test(verdict: Verdict, *, should_list: bool) -> Health:
    if verdict.word is Word.ERROR or verdict.detail == "refused_code":
        return Health.SILENT
    if verdict.word is Word.REFUSED:
        return Health.WRONG
    return Health.HEALTHY if (verdict.word is Word.LISTED) == should_list else Health.WRONG


def _blames(outcome: Outcome, verdict: Verdict, *, is_fresh: bool) -> bool | None:
    """Whether the check speaks for (False) or against (True) the list, or says nothing of it (None)."""
    if is_fresh or (isinstance(outcome, Failure) and outcome.trouble in _SAYS_NOTHING):
        return None
    return isinstance(outcome, Failure) or verdict.word is Word.REFUSED


def text_of(outcome: Outcome, dns_list: DnsList) -> str | None:
    """A TXT answer as text fit to be shown: no control characters, no key, bounded."""
    if not isinstance(outcome, Answer) or not outcome.records:
        return None
    text = "".join(char for char in " / ".join(outcome.records) if char.isprintable())
    return dns_list.without_key(text)[:MAX_REASON] or None


def moment(clock: float) -> Moment:
    """Now, by both clocks."""
    return Moment(clock, time.time_ns() // 1_000_000)
