"""Checks against a name server: the effect of a list's test on its state and verdicts."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import dns.rcode
import pytest

from duckwatch.base.config.addresses import Endpoint
from exporters.dnsbl.asking import Resolver
from exporters.dnsbl.checking.checks import Checks
from exporters.dnsbl.checking.current_verdicts import CurrentVerdicts
from exporters.dnsbl.checking.list_health import STATES, ListHealth
from exporters.dnsbl.lists import DnsList
from exporters.dnsbl.lists import TestPoints as Points
from exporters.dnsbl.lists.names import target
from exporters.dnsbl.metrics import Metrics, PairLines
from exporters.dnsbl.posting import result_of
from exporters.dnsbl.schedule import Limits, Pair, Planner
from exporters.dnsbl.schedule.breaker import FAILURES_TO_OPEN
from exporters.dnsbl.verdicts.verdict import VerdictKind
from tests.servers import nameserver as behave
from tests.servers.nameserver import NameServer, Zone
from tests.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exporters.dnsbl.checking.current_verdicts import Change

BL = replace(DnsList("bl.example"), queries_per_minute=8)
LISTED = Zone("bl.example", {"1.2.0.192": ["127.0.0.2"]})


class RunningChecks:
    """Checks of one target at one list, begun by the test."""

    def __init__(self, port: int) -> None:
        now = asyncio.get_running_loop().time()
        self.pair = Pair(target("192.0.2.1"), BL, 300.0)
        self.planner = Planner(Limits(), now)
        self.metrics, self.current = Metrics(), CurrentVerdicts()
        self.told: list[Change] = []
        self.checks = Checks(self.planner, self.current, PairLines(), self.metrics, self.told.append)
        self.resolver = Resolver([Endpoint("127.0.0.1", port)], timeout_seconds=0.1, in_flight=128)
        pairs = [Pair(None, BL, 900.0), self.pair]
        self.planner.replace(pairs, Limits(), now)
        self.checks.use(self.resolver, pairs)

    def spend(self, ago: float) -> None:
        """Use up the list's budget, as if that had happened some seconds ago."""
        at = asyncio.get_running_loop().time() - ago
        while self.planner.pay("bl.example", at, for_test=True):
            pass

    async def check(self) -> None:
        """Run one check, paid for."""
        await self.checks._check(self.pair, asyncio.get_running_loop().time())

    def shown(self, name: str) -> float | None:
        """Return the sample of a metric of the list, None while it is absent."""
        return self.metrics.registry.get_sample_value(name, {"list": "bl.example"})

    @property
    def shown_health(self) -> float | None:
        return self.shown("duckwatch_dnsbl_list_healthy")

    @property
    def shown_state(self) -> list[str]:
        """Return the states that the metrics show for the list."""
        ask = self.metrics.registry.get_sample_value
        return [s for s in STATES if ask("duckwatch_dnsbl_list_state", {"list": "bl.example", "state": s})]


@pytest.fixture
async def running(nameserver: NameServer) -> AsyncIterator[RunningChecks]:
    nameserver.zones["bl.example"] = LISTED
    made = RunningChecks(nameserver.port)
    yield made
    made.resolver.close()


async def test_a_test_waits_for_its_budget(running: RunningChecks, nameserver: NameServer) -> None:
    """A test waits for room in its budget, before all other checks, and does not count the list as silent."""
    running.spend(ago=59.7)
    testing = asyncio.create_task(running.checks.watches.test(BL))
    for _ in range(5):
        await asyncio.sleep(0)
    assert running.planner._lanes["bl.example"].is_claimed
    assert not nameserver.asked()
    later = asyncio.get_running_loop().time() + 60
    assert not running.planner.pay("bl.example", later), "the next room is the test's"
    assert running.planner.begin(later, 10) == ([], [])
    assert await testing is ListHealth.HEALTHY
    assert running.shown_health == 1
    assert running.planner.pay("bl.example", later)


async def test_without_budget_nothing_is_learnt(running: RunningChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without budget for its test, a list is not unhealthy, and its verdicts do not count yet."""
    monkeypatch.setattr("exporters.dnsbl.checking.list_health.TEST_PATIENCE", 0.0)
    running.spend(ago=0.0)
    assert await running.checks.watches.test(BL) is ListHealth.UNKNOWN
    assert running.shown_health is None
    await running.check()
    assert running.current.row("192.0.2.1", "bl.example") is None
    assert not running.told


async def test_a_part_of_each_budget_is_kept_for_tests(running: RunningChecks) -> None:
    """Second tries, reasons and probes leave a part of the budget for tests: two queries of eight."""
    now = asyncio.get_running_loop().time()
    assert sum(running.planner.pay("bl.example", now) for _ in range(10)) == 6
    assert await running.checks.watches.test(BL) is ListHealth.HEALTHY


async def test_resolvers_that_are_away_are_no_fault_of_the_list() -> None:
    """Unreachable resolvers change neither the health of a list nor its breaker."""
    made = RunningChecks(free_port())
    assert await made.checks.watches.test(BL) is ListHealth.UNKNOWN
    assert made.shown_health is None
    for _ in range(12):
        await made.check()
    assert not made.planner.is_left_alone("bl.example")
    made.resolver.close()


async def test_a_silent_list_changes_no_mind(running: RunningChecks, nameserver: NameServer) -> None:
    """A list that does not answer its test points begins and ends no listing."""
    nameserver.zones["bl.example"] = Zone("bl.example")
    await running.check()
    assert running.current.standing("192.0.2.1", "bl.example") is VerdictKind.CLEAN
    running.checks.watches["bl.example"].at -= 100
    running.pair.fresh_until = 0.0
    nameserver.zones |= {"bl.example": LISTED, "127.bl.example": behave.silent}
    await running.check()
    row = running.current.row("192.0.2.1", "bl.example")
    assert row is not None
    assert row.last.detail == "unhealthy"
    assert running.current.standing("192.0.2.1", "bl.example") is VerdictKind.CLEAN
    assert running.shown_health == 0


async def test_an_answer_is_kept_for_its_ttl(running: RunningChecks, nameserver: NameServer) -> None:
    """An answer is reused for its TTL, an absence for the SOA's."""
    for zone in (Zone("bl.example", {"1.2.0.192": ["127.0.0.2"]}), Zone("bl.example")):
        nameserver.zones["bl.example"] = zone
        before = len(nameserver.asked("1.2.0.192.bl.example", "A"))
        for _ in range(3):
            await running.check()
        assert len(nameserver.asked("1.2.0.192.bl.example", "A")) == before + 1
        running.pair.fresh_until -= 60
    assert running.current.standing("192.0.2.1", "bl.example") is VerdictKind.CLEAN


async def test_a_list_that_was_taken_out_while_it_was_asked_leaves_nothing(
    running: RunningChecks, nameserver: NameServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A list removed during a query leaves no gauge, no verdict and no log line."""
    nameserver.zones["bl.example"] = behave.silent
    under_way = [asyncio.create_task(running.check()), asyncio.create_task(running.checks.watches.test(BL))]
    await asyncio.sleep(0.02)
    for pair in running.planner.replace([], Limits(), asyncio.get_running_loop().time()):
        running.checks.forget(pair)
    running.checks.use(running.resolver, [])
    await asyncio.gather(*under_way)
    assert running.shown_health is None
    assert running.current.row("192.0.2.1", "bl.example") is None
    assert not running.told
    assert not caplog.records


async def test_checks_stop_whatever_wakes_them_at_that_moment(nameserver: NameServer) -> None:
    """A stop at the moment of a check's end is not lost."""
    nameserver.zones["bl.example"] = LISTED
    for steps in range(8):
        made = RunningChecks(nameserver.port)
        made.planner.replace([], Limits(), 0.0)
        running = asyncio.create_task(made.checks.run())
        await asyncio.sleep(0.01)
        made.checks._wake.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        _, pending = await asyncio.wait([running], timeout=5)
        assert not pending, steps
        made.resolver.close()


REFUSALS = ["127.255.255.252", "127.255.255.254", "127.255.255.255", "127.255.255.7", "127.0.0.1"]


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_list_that_refuses_everything_is_refused(
    running: RunningChecks, nameserver: NameServer, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    """A list that refuses every query has the verdict refused; the log names a remedy once, and the end once."""
    nameserver.zones["bl.example"] = behave.everything(code)
    caplog.set_level("INFO", "exporters")
    assert await running.checks.watches.test(BL) is ListHealth.REFUSED
    await running.check()
    await running.checks.watches.test(BL)
    assert (running.shown_health, running.shown_state) == (0, ["refused"])
    assert running.checks.watches["bl.example"].failure.kind is VerdictKind.REFUSED, (
        "the verdict while it is left alone"
    )
    (change,) = running.told
    posted = result_of(change)
    assert (posted["verdict"], posted["detail"], posted["codes"]) == ("refused", "refused_code", [code])
    assert (
        posted["meanings"][-1].removeprefix("check the spelling of the zone in dnsbl.lists; if it is right, ")
        == "use a resolver of your own (dnsbl.resolvers), or register with the list"
    )
    nameserver.zones["bl.example"] = LISTED
    await running.checks.watches.test(BL)
    assert (running.shown_health, running.shown_state) == (1, ["healthy"])
    said = [(record.message, getattr(record, "fields", {}).get("to_do")) for record in caplog.records]
    assert said == [("a list refuses every query", posted["meanings"][-1]), ("a list is healthy again", None)]


async def test_a_list_is_in_exactly_one_state(running: RunningChecks, nameserver: NameServer) -> None:
    """A list is in exactly one state: unknown before its first test, unhealthy after a wrong answer."""
    assert running.shown_state == ["unknown"]
    for behaviour in (behave.everything("127.0.0.2"), behave.everything("198.51.100.9"), behave.silent, behave.empty):
        nameserver.zones["bl.example"] = behaviour
        await running.checks.watches.test(BL)
        assert (running.shown_health, running.shown_state) == (0, ["unhealthy"])
    running.checks.use(running.resolver, [])
    assert running.shown_state == []


async def test_a_list_that_begins_to_refuse_is_refused_at_once(running: RunningChecks, nameserver: NameServer) -> None:
    """The first refused check starts the list's test, so that the list is refused at once."""
    await running.check()
    assert running.shown_state == ["healthy"]
    nameserver.zones["bl.example"] = behave.everything("127.255.255.255")
    running.checks.watches["bl.example"].at -= 100
    running.pair.fresh_until = 0.0
    await running.check()
    assert running.shown_state == ["refused"]
    assert running.current.standing("192.0.2.1", "bl.example") is VerdictKind.LISTED, "a refusal ends no listing"


async def test_a_list_that_refuses_its_test_points_turns_nobody_clean(
    running: RunningChecks, nameserver: NameServer
) -> None:
    """Answers of a list that refuses its test points count as refused, not as clean."""
    nameserver.zones |= {"bl.example": Zone("bl.example"), "127.bl.example": behave.everything("127.255.255.254")}
    await running.check()
    row = running.current.row("192.0.2.1", "bl.example")
    assert row is not None
    assert (row.last.kind, row.last.answers, row.real) == (VerdictKind.REFUSED, ("127.255.255.254",), None)
    nameserver.zones["127.bl.example"] = Zone("bl.example")
    running.checks.watches["bl.example"].at -= 100
    await running.check()
    assert running.current.standing("192.0.2.1", "bl.example") is VerdictKind.CLEAN, "the list answers again"
    nameserver.zones["127.bl.example"] = behave.everything("127.255.255.254")
    await running.checks.watches.test(BL)
    await running.check()
    assert row.last.kind is VerdictKind.REFUSED, "also what would change nothing"


async def test_a_list_without_test_points_is_known_by_its_refusals(
    running: RunningChecks, nameserver: NameServer
) -> None:
    """A list without test points is refused from its first refusal until a real answer after a minute."""
    running.pair.dns_list = replace(BL, test=Points(None, None))
    nameserver.zones["bl.example"] = behave.everything("127.255.255.254")
    await running.check()
    assert running.shown_state == ["refused"]
    nameserver.zones["bl.example"] = LISTED
    running.checks.watches["bl.example"].at -= 100
    running.pair.fresh_until = 0.0
    await running.check()
    assert running.shown_state == ["healthy"]
    assert running.current.standing("192.0.2.1", "bl.example") is VerdictKind.LISTED


async def test_the_breaker_is_shown_from_the_tenth_failure_to_the_next_success(
    running: RunningChecks, nameserver: NameServer
) -> None:
    """The gauge of the breaker is 1 from the failure that opens it to the next real answer."""
    seen = []
    nameserver.zones["bl.example"] = behave.rcode(dns.rcode.SERVFAIL)
    for _ in range(FAILURES_TO_OPEN):
        running.checks.show()
        seen.append(running.shown("duckwatch_dnsbl_list_breaker_open"))
        await running.check()
    assert set(seen) == {0}
    running.checks.show()
    assert running.shown("duckwatch_dnsbl_list_breaker_open") == 1
    nameserver.zones["bl.example"] = LISTED
    await running.check()
    running.checks.show()
    assert running.shown("duckwatch_dnsbl_list_breaker_open") == 0


async def test_every_query_is_counted_and_every_answer_timed(running: RunningChecks, nameserver: NameServer) -> None:
    """Each query of a list counts: of checks, test points and reasons, and second tries. A time needs an answer."""
    await running.check()
    answered = len(nameserver.asked())
    assert answered == 4, "the target, two test points, the reason"
    assert running.shown("duckwatch_dnsbl_queries_total") == answered
    assert running.shown("duckwatch_dnsbl_query_seconds_count") == answered
    nameserver.zones["bl.example"] = behave.silent
    running.pair.fresh_until = 0.0
    await running.check()
    assert len(nameserver.asked()) == answered + 3, "three tries"
    assert running.shown("duckwatch_dnsbl_queries_total") == answered + 3
    assert running.shown("duckwatch_dnsbl_query_seconds_count") == answered


async def test_a_lists_last_check_is_its_last_real_verdict(running: RunningChecks, nameserver: NameServer) -> None:
    """The time begins when the list is first to be asked, and follows real verdicts only."""
    started = running.shown("duckwatch_dnsbl_last_check_timestamp_seconds")
    assert started is not None
    nameserver.zones["bl.example"] = behave.everything("127.255.255.254")
    await running.check()
    assert running.shown("duckwatch_dnsbl_last_check_timestamp_seconds") == started
    nameserver.zones["bl.example"] = LISTED
    await running.checks.watches.test(BL)
    running.pair.fresh_until = 0.0
    before = time.time()
    await running.check()
    checked = running.shown("duckwatch_dnsbl_last_check_timestamp_seconds")
    assert checked is not None
    assert started < before - 0.001 <= checked <= time.time(), "in whole milliseconds"


async def test_a_lists_interval_is_the_longest_of_its_targets(running: RunningChecks) -> None:
    """The interval of the list's test does not count, and a list without targets has none."""
    assert running.shown("duckwatch_dnsbl_check_interval_seconds") == 300
    other = Pair(target("192.0.2.2"), BL, 600.0)
    running.checks.use(running.resolver, [Pair(None, BL, 900.0), running.pair, other])
    assert running.shown("duckwatch_dnsbl_check_interval_seconds") == 600
    running.checks.use(running.resolver, [Pair(None, BL, 900.0)])
    assert running.shown("duckwatch_dnsbl_check_interval_seconds") is None
    assert running.shown("duckwatch_dnsbl_last_check_timestamp_seconds") is None


async def test_the_lag_is_how_late_the_check_is_that_has_waited_longest(running: RunningChecks) -> None:
    """The lag grows with the time that a due check waits, and is 0 while none is late."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    running.planner.replace([], Limits(), now)
    for late in (42.0, 84.0):
        pair = Pair(target(f"192.0.2.{late:.0f}"), BL, 300.0)
        running.planner.replace([pair], Limits(), now - late)
        running.checks.show()
        lag = running.metrics.registry.get_sample_value("duckwatch_dnsbl_schedule_lag_seconds")
        assert lag is not None
        assert late <= lag <= late + loop.time() - now
    running.planner.replace([], Limits(), now)
    assert running.planner.begin(loop.time(), 1) == ([], [])
    running.checks.show()
    assert running.metrics.registry.get_sample_value("duckwatch_dnsbl_schedule_lag_seconds") == 0
