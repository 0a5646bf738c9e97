"""The checks: begin what the planner allows, ask, judge, compare with the list's health, and record the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

from exporters.dnsbl.asking.wire import TXT, A
from exporters.dnsbl.checking.current_verdicts import Change, CurrentVerdicts, Moment
from exporters.dnsbl.checking.list_health import SAYS_NOTHING, ListHealth, ListWatch, ListWatches
from exporters.dnsbl.checking.queries import ListQueries
from exporters.dnsbl.planning.plan import interval_of
from exporters.dnsbl.schedule import Pair, Planner
from exporters.dnsbl.schedule.planner import TEST_INTERVALS
from exporters.dnsbl.verdicts.lookup_result import Answer, Failure, Outcome, Trouble
from exporters.dnsbl.verdicts.verdict import UNHEALTHY, Verdict, VerdictKind, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Counter

    from exporters.dnsbl.asking import Resolver
    from exporters.dnsbl.lists import DnsList
    from exporters.dnsbl.metrics import Metrics, PairLines
    from exporters.dnsbl.planning.plan import Plan, PlannedTarget

log = logging.getLogger(__name__)

CONFIRM_FIRST_SECONDS: Final = 60.0
CONFIRM_CHANGE_SECONDS: Final = 1.0
CONFIRM_REFUSAL_SECONDS: Final = 60.0
"""A list's test older than CONFIRM_… seconds is repeated before an answer is believed.

FIRST: before a target's first verdict is a listing. CHANGE: before a verdict changes to or from a listing.
REFUSAL: when the list refuses a query, or answers one after it refused its test points.
"""
REASON_SECONDS: Final = 3600.0
MAX_REASON: Final = 500
IDLE_SECONDS: Final = 1.0


def pairs_of(plan: Plan, targets: Iterable[PlannedTarget]) -> Iterator[Pair]:
    """Yield each list's test, then each target at each list that takes it."""
    for dns_list in plan.lists:
        yield Pair(None, dns_list, TEST_INTERVALS * dns_list.interval.total_seconds())
    for checked in targets:
        for dns_list in plan.lists_for(checked):
            interval = interval_of(checked, dns_list).total_seconds()
            yield Pair(checked.target, dns_list, interval, checked.name)


class Checks:
    """Runs the planned checks until cancelled. `tell` is called with each change of a verdict."""

    def __init__(
        self,
        planner: Planner,
        current: CurrentVerdicts,
        lines: PairLines,
        metrics: Metrics,
        tell: Callable[[Change], None],
    ) -> None:
        self._planner, self.current, self._lines, self._metrics, self._tell = planner, current, lines, metrics, tell
        self._dated: set[str] = set()
        self._counts: dict[tuple[str, VerdictKind], Counter] = {}
        self._wake = asyncio.Event()
        self.questions = ListQueries(planner, metrics)
        self.watches = ListWatches(planner, self.questions, metrics, self._wake.set)
        self._under_way: set[asyncio.Task[None]] = set()

    def ask(self, resolver: Resolver) -> None:
        """Use these resolvers from now on."""
        self.questions.resolver = resolver
        self._wake.set()

    def use(self, resolver: Resolver, pairs: Iterable[Pair]) -> None:
        """Use these resolvers and pairs from now on. The planner must have the pairs already."""
        self.ask(resolver)
        found = list(pairs)
        self._date(found)
        self.watches.use(found)
        self._wake.set()

    def _date(self, pairs: Iterable[Pair]) -> None:
        """Set `check_interval` of each list that has targets, and start `last_check` of a new list at now."""
        intervals: dict[str, float] = {}
        for pair in pairs:
            if pair.target is not None:
                zone = pair.dns_list.zone
                intervals[zone] = max(pair.interval, intervals.get(zone, 0.0))
        for zone in self._dated - intervals.keys():
            self._metrics.last_check.remove(zone)
            self._metrics.check_interval.remove(zone)
        for zone, interval in intervals.items():
            self._metrics.check_interval.labels(zone).set(interval)
            if zone not in self._dated:
                self._metrics.last_check.labels(zone).set(time.time())
        self._dated = set(intervals)

    def forget(self, pair: Pair) -> None:
        """Forget a pair that is no longer checked, and remove its metrics."""
        if pair.target is not None:
            self.current.forget(pair)
            self._lines.remove(pair.target.text, pair.dns_list.zone)

    async def run(self) -> None:
        """Begin checks as they fall due."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            now = loop.time()
            assert self.questions.resolver is not None
            begun, passed_over = self._planner.begin(now, max(0, self.questions.resolver.free_places))
            for pair in passed_over:
                if pair.target is not None:
                    self._note(pair, self.watches[pair.dns_list.zone].failure, moment(now))
            for pair in begun:
                task = loop.create_task(self._check(pair, now) if pair.target is not None else self._test_due(pair))
                self._under_way.add(task)
                task.add_done_callback(self._ended)
            if not begun:
                wait = min(IDLE_SECONDS, max(0.0, self._planner.next_at(now) - loop.time()))
                # Not wait_for: it makes a task each time, and in Python 3.11 it may swallow the cancellation of a stop.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait or 0.001):
                        await self._wake.wait()
            else:
                await asyncio.sleep(0)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._wake.set()

    async def _check(self, pair: Pair, now: float) -> None:
        """Run one check, from the query to the recorded verdict. `now` is the time at which the planner began it."""
        assert pair.target is not None
        dns_list, is_fresh = pair.dns_list, pair.fresh_until > now
        outcome: Outcome = Failure(Trouble.NO_BUDGET)
        verdict = UNHEALTHY
        try:
            outcome = (
                pair.outcome if is_fresh and pair.outcome else await self.questions.ask(pair.target.wire, A, dns_list)
            )
            # A reload may have taken out the pair, and its list, while it was asked.
            held = await self._held_to_health(pair, judge(outcome, dns_list)) if not pair.gone else None
            now = asyncio.get_running_loop().time()
            if held is not None:
                verdict = held
                self._note(pair, verdict, moment(now), await self._reason(pair, verdict, now))
            if not is_fresh and isinstance(outcome, Answer):
                pair.outcome, pair.fresh_until = outcome, now + outcome.ttl
        except Exception:
            log.exception("a check failed because of an error in the exporter")
        finally:
            if not verdict.kind.is_real and judge(outcome, dns_list).kind.is_real:
                pair.fresh_until = 0.0  # the answer was not believed: ask again as soon as the list may work
            self._planner.end(
                pair,
                asyncio.get_running_loop().time(),
                retry=not verdict.kind.is_real,
                failed=_blames(outcome, verdict, is_fresh=is_fresh),
            )

    async def _held_to_health(self, pair: Pair, verdict: Verdict) -> Verdict | None:
        """Return the verdict, or instead that the list is unhealthy or refuses everything.

        A list is tested again before its verdict about a target changes. Return None when the test could not be made.
        """
        assert pair.target is not None
        watch = self.watches[pair.dns_list.zone]
        if verdict.detail == "refused_code" and watch.refusal is None:
            await self._test_unless_recent(pair.dns_list, watch)  # does it refuse everything?
            self.watches.note_refusal(pair.dns_list, verdict)
        if not verdict.kind.is_real:
            return verdict
        if watch.refusal is not None:
            await self._test_unless_recent(pair.dns_list, watch)
        row = self.current.row(pair.target.text, pair.dns_list.zone)
        stands = row.real.kind if row is not None and row.real is not None else None
        is_change = stands is not verdict.kind
        was_listed = row is not None and VerdictKind.LISTED in (
            stands,
            row.lapsed.kind if row.lapsed is not None else None,
        )
        has_to_show = is_change and (verdict.kind is VerdictKind.LISTED or was_listed)
        limit = CONFIRM_FIRST_SECONDS if stands is None else CONFIRM_CHANGE_SECONDS
        health = watch.health
        if health is ListHealth.UNKNOWN or (has_to_show and asyncio.get_running_loop().time() - watch.at > limit):
            health = await self.watches.test(pair.dns_list)
        if is_change and health is ListHealth.UNKNOWN:
            return None
        if refusal := self.watches.refusal(pair.dns_list.zone):
            return refusal
        return UNHEALTHY if health is ListHealth.WRONG or (is_change and health is ListHealth.SILENT) else verdict

    async def _test_unless_recent(self, dns_list: DnsList, watch: ListWatch) -> None:
        if asyncio.get_running_loop().time() - watch.at > CONFIRM_REFUSAL_SECONDS:
            await self.watches.test(dns_list)

    async def _reason(self, pair: Pair, verdict: Verdict, now: float) -> str | None:
        """Return the list's TXT record about a listed target.

        The list is asked for it when the listing is new or has changed, and again after an hour.
        """
        assert pair.target is not None
        if verdict.kind is not VerdictKind.LISTED:
            return None
        row = self.current.row(pair.target.text, pair.dns_list.zone)
        if row is not None and row.real is not None and row.reason is not None:
            is_old = row.real.codes != verdict.codes or now - row.reason_at >= REASON_SECONDS
            if not is_old:
                return None
        return text_of(await self.questions.ask_if_paid(pair.target.wire, TXT, pair.dns_list), pair.dns_list)

    def _note(self, pair: Pair, verdict: Verdict, now: Moment, reason: str | None = None) -> None:
        if pair.gone or pair.target is None:
            return
        zone = pair.dns_list.zone
        self._count(zone, verdict.kind).inc()
        change = self.current.record(pair, verdict, now, reason)
        if verdict.kind.is_real:
            self._metrics.last_check.labels(zone).set(now.epoch_ms / 1000)
            codes = sorted({(code.code, code.severity.value) for code in verdict.codes})
            self._lines.set(pair.target.text, zone, listed=verdict.kind is VerdictKind.LISTED, codes=codes)
        else:
            self.watches[zone].failure = verdict
        if change is not None:
            self._tell(change)

    def _count(self, zone: str, kind: VerdictKind) -> Counter:
        """Return the counter of one kind of verdict of a list, cached: `labels()` costs more than `inc()`."""
        counter = self._counts.get((zone, kind))
        if counter is None:
            counter = self._counts[zone, kind] = self._metrics.verdicts.labels(zone, kind.value)
        return counter

    def lapse(self) -> None:
        """Remove the verdicts that have not been confirmed for too long."""
        for change in self.current.lapse(self._planner.pairs(), moment(asyncio.get_running_loop().time())):
            assert change.pair.target is not None
            pair = (change.pair.target.text, change.pair.dns_list.zone)
            row = self.current.row(*pair)
            codes = row.lapsed.codes if row is not None and row.lapsed is not None else ()
            self._lines.lapse(*pair, sorted({code.severity.value for code in codes}))
            self._tell(change)

    async def _test_due(self, pair: Pair) -> None:
        health = ListHealth.UNKNOWN
        try:
            health = await self.watches.test(pair.dns_list, is_paid=True)
        except Exception:
            log.exception("the test of a list failed because of an error in the exporter")
        finally:
            now = asyncio.get_running_loop().time()
            silent = True if health in (ListHealth.SILENT, ListHealth.REFUSED) else None
            failed = False if health is ListHealth.HEALTHY else silent
            self._planner.end(pair, now, retry=health is not ListHealth.HEALTHY, failed=failed)

    def show(self) -> None:
        """Set the gauges that follow the planner and the resolvers."""
        metrics = self._metrics
        self.watches.show()
        metrics.schedule_lag.set(max(0.0, self._planner.lag(asyncio.get_running_loop().time())))
        if self.questions.resolver is not None:
            for address, is_up in self.questions.resolver.states().items():
                metrics.resolver_up.labels(address).set(is_up)

    async def stop(self) -> None:
        """Cancel the checks under way."""
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


def _blames(outcome: Outcome, verdict: Verdict, *, is_fresh: bool) -> bool | None:
    """Return True when the breaker counts the check as the list's failure, False for a success, None for neither."""
    if is_fresh or (isinstance(outcome, Failure) and outcome.trouble in SAYS_NOTHING):
        return None
    return isinstance(outcome, Failure) or verdict.kind is VerdictKind.REFUSED


def text_of(outcome: Outcome, dns_list: DnsList) -> str | None:
    """Return a TXT answer as a text for people: without control characters and key, at most MAX_REASON long."""
    if not isinstance(outcome, Answer) or not outcome.records:
        return None
    text = "".join(char for char in " / ".join(outcome.records) if char.isprintable())
    return dns_list.without_key(text)[:MAX_REASON] or None


def moment(clock: float) -> Moment:
    """Return the present moment: `clock` is the monotonic time, in seconds."""
    return Moment(clock, time.time_ns() // 1_000_000)
