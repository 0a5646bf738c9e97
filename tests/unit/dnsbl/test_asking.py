"""Lookups at a server that refuses, fails, lies, is slow, truncates or is away: their outcome and their queries."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import dns.rcode
import pytest

from exporters.dnsbl.asking.wire import TXT
from exporters.dnsbl.lists import DnsList
from exporters.dnsbl.lists.model import Meaning
from exporters.dnsbl.lists.names import TargetKind
from exporters.dnsbl.verdicts.lookup_result import Answer, Failure, Trouble
from exporters.dnsbl.verdicts.verdict import judge
from tests.servers import nameserver as behave
from tests.servers.nameserver import NameServer, Query, Zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.dnsbl.conftest import ResolverUnderTest

    Make = Callable[..., ResolverUnderTest]

BL = DnsList("bl.example")
LISTED = Zone("bl.example", {"1.2.0.192": ["127.0.0.2"]}, reasons={"1.2.0.192": "because"})
CLEAN = Zone("bl.example")

TABLE: dict[str, tuple[Callable[[Query], list[bytes]], str, str]] = {
    "listed": (LISTED, "listed", "listed"),
    "clean": (CLEAN, "clean", "not_listed"),
    "two codes": (Zone("bl.example", {"1.2.0.192": ["127.0.0.4", "127.0.0.2"]}), "listed", "listed"),
    "refused, public resolver": (behave.everything("127.255.255.254"), "refused", "refused_code"),
    "refused, over quota": (behave.everything("127.255.255.255"), "refused", "refused_code"),
    "a code beside a refusal": (behave.everything("127.0.0.2", "127.255.255.254"), "refused", "refused_code"),
    "blocker": (behave.everything("127.0.0.1"), "refused", "refused_code"),
    "parked zone": (behave.everything("198.51.100.7"), "refused", "outside_127"),
    "parked zone beside a code": (behave.everything("127.0.0.2", "198.51.100.7"), "refused", "outside_127"),
    "servfail": (behave.rcode(dns.rcode.SERVFAIL), "error", "servfail"),
    "refused rcode, zone not served": (behave.rcode(dns.rcode.REFUSED), "error", "refused_rcode"),
    "notauth": (behave.rcode(dns.rcode.NOTAUTH), "error", "other_rcode"),
    "lame": (behave.lame, "error", "lame"),
    "timeout": (behave.silent, "error", "timeout"),
    "answer after the timeout": (behave.SlowAnswer(LISTED, 1.5), "error", "timeout"),
    "slow NXDOMAIN": (behave.SlowAnswer(CLEAN, 0.1), "clean", "not_listed"),
    "wrong id": (behave.with_wrong_id(CLEAN), "error", "timeout"),
    "wrong id, then right": (behave.with_wrong_id(CLEAN, then_right=True), "clean", "not_listed"),
    "wrong question": (behave.with_wrong_question(CLEAN), "error", "timeout"),
    "wrong question, then right": (behave.with_wrong_question(CLEAN, then_right=True), "clean", "not_listed"),
    "truncated": (behave.truncating(LISTED), "listed", "listed"),
    "NOERROR without records": (behave.empty, "clean", "not_listed"),
    "garbage": (behave.garbage, "error", "malformed"),
    "case not kept": (behave.folding(LISTED), "listed", "listed"),
    "EDNS not known": (behave.without_edns(LISTED), "listed", "listed"),
}


@pytest.mark.parametrize("case", TABLE)
async def test_the_verdict_table(case: str, nameserver: NameServer, asking: Make) -> None:
    """Each behaviour of a list gives its one right verdict."""
    behaviour, word, detail = TABLE[case]
    nameserver.zones["bl.example"] = behaviour
    made = asking(nameserver.port, timeout=0.2 if detail == "timeout" else 5.0)
    verdict = judge(await made.ask(BL), BL)
    assert (verdict.kind, verdict.detail) == (word, detail)


async def test_an_ipv6_address_is_asked_by_its_nibbles(nameserver: NameServer, asking: Make) -> None:
    """An IPv6 address is asked by its 32 nibbles in reverse order."""
    nibbles = ".".join(reversed("20010db8000000000000000000000025"))
    nameserver.zones["bl.example"] = Zone("bl.example", {nibbles: ["127.0.0.3"]})
    outcome = await asking(nameserver.port).ask(BL, "2001:db8::25")
    assert outcome == Answer(("127.0.0.3",), 60)


async def test_the_reason_is_that_of_the_targets_own_name(nameserver: NameServer, asking: Make) -> None:
    """The reason is the TXT record of the target's name."""
    nameserver.zones["bl.example"] = LISTED
    assert await asking(nameserver.port).ask(BL, rdtype=TXT) == Answer(("because",), 60)
    assert nameserver.asked(rdtype="TXT")[0].name == "1.2.0.192.bl.example"


async def test_a_domain_is_asked_as_it_is(nameserver: NameServer, asking: Make) -> None:
    """A domain is put before the zone with its labels in order."""
    dbl = DnsList("dbl.example", TargetKind.DOMAIN)
    nameserver.zones["dbl.example"] = Zone("dbl.example", {"shop.example.com": ["127.0.1.2"]})
    assert await asking(nameserver.port).ask(dbl, "shop.example.com") == Answer(("127.0.1.2",), 60)


async def test_the_ttl_is_the_answers_or_the_zones(nameserver: NameServer, asking: Make) -> None:
    """The TTL is that of the answer, of an absence that of the SOA, and 0 without one."""
    nameserver.zones["bl.example"] = CLEAN
    made = asking(nameserver.port)
    assert await made.ask(BL) == Answer((), 60)
    nameserver.zones["bl.example"] = behave.rcode(dns.rcode.NXDOMAIN)
    assert await made.ask(BL) == Answer((), 0)


async def test_three_tries_and_no_more(nameserver: NameServer, asking: Make) -> None:
    """A lookup makes three tries; the last is in lower case without EDNS, and each after the first is paid for."""
    nameserver.zones["bl.example"] = behave.silent
    made = asking(nameserver.port, timeout=0.05)
    assert await made.ask(BL) == Failure(Trouble.TIMEOUT)
    queries = nameserver.asked()
    assert len(queries) == 3
    assert made.paid == 2
    assert len({query.message.id for query in queries} | {query.port for query in queries}) > 3
    texts = [query.message.question[0].name.to_text() for query in queries]
    assert texts[2] == texts[2].lower()
    assert [query.message.edns for query in queries] == [0, 0, -1]


async def test_without_budget_there_is_no_second_try(nameserver: NameServer, asking: Make) -> None:
    """Without budget there is no second try and no TCP query."""
    nameserver.zones["bl.example"] = behave.silent
    made = asking(nameserver.port, timeout=0.05)
    made.budget = 0
    assert await made.ask(BL) == Failure(Trouble.TIMEOUT)
    nameserver.zones["bl.example"] = behave.truncating(LISTED)
    assert await made.ask(BL) == Failure(Trouble.TRUNCATED)
    assert len(nameserver.asked()) == 2


async def test_names_are_scrambled(nameserver: NameServer, asking: Make) -> None:
    """Each query has a random case, a new id and one of several ports."""
    nameserver.zones["bl.example"] = CLEAN
    made = asking(nameserver.port)
    for _ in range(32):
        await made.ask(BL)
    queries = nameserver.asked()
    assert len({query.message.question[0].name.to_text() for query in queries}) > 16
    assert len({query.message.id for query in queries}) > 28
    assert len({query.port for query in queries}) == 16


async def test_ports_change(nameserver: NameServer, asking: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is replaced after some queries, and the old one is closed."""
    monkeypatch.setattr("exporters.dnsbl.asking.upstream.QUERIES_A_PORT", 2)
    nameserver.zones["bl.example"] = CLEAN
    made = asking(nameserver.port)
    for _ in range(96):
        await made.ask(BL)
    assert len({query.port for query in nameserver.asked()}) > 32
    assert len(made.resolver._upstreams[0]._all) == 16


async def test_a_list_that_folds_case_is_asked_plainly_from_then_on(nameserver: NameServer, asking: Make) -> None:
    """A list that changes the case of letters costs a second query once, then it is asked plainly."""
    nameserver.zones["bl.example"] = behave.folding(LISTED)
    made = asking(nameserver.port)
    for _ in range(3):
        assert isinstance(await made.ask(BL), Answer)
    assert len(nameserver.asked()) == 4


async def test_another_resolver_stands_in(nameserver: NameServer, asking: Make) -> None:
    """Another resolver replaces a silent or closed one, which is passed over after ten failures."""
    nameserver.zones |= {"bl.example": CLEAN, "other.example": Zone("other.example")}
    for away in (NameServer({"example": behave.silent}), NameServer()):
        if not away.zones:
            away.close()  # no server listens there
        made = asking(away.port, nameserver.port, timeout=0.05)
        lists = [BL, DnsList("other.example")]
        for number in range(40):
            assert await made.ask(lists[number % 2]) == Answer((), 60)
        assert made.resolver.states() == {away.address: False, nameserver.address: True}
        assert made.paid <= 12
        away.close()


async def test_one_dead_list_is_not_the_resolvers_fault(nameserver: NameServer, asking: Make) -> None:
    """Timeouts of one list only leave the resolver up."""
    nameserver.zones["bl.example"] = behave.silent
    made = asking(nameserver.port, timeout=0.02)
    for _ in range(5):
        await made.ask(BL)
    assert made.resolver.states() == {nameserver.address: True}


async def test_nobody_there_is_known_at_once(asking: Make) -> None:
    """A closed port, which answers by ICMP, ends a lookup at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with asyncio.timeout(10):
        assert await asking(port, timeout=60).ask(BL) == Failure(Trouble.UNREACHABLE)


async def test_no_more_queries_are_in_flight_than_allowed(nameserver: NameServer, asking: Make) -> None:
    """Lookups over the limit wait, and all are answered."""
    nameserver.zones["bl.example"] = behave.SlowAnswer(CLEAN, 0.02)
    made = asking(nameserver.port, timeout=5, in_flight=4)
    peak = 0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, made.resolver._upstreams[0].in_flight)
            await asyncio.sleep(0.001)

    watcher = asyncio.create_task(watch())
    outcomes = await asyncio.gather(*(made.ask(BL, f"192.0.2.{last}") for last in range(32)))
    watcher.cancel()
    assert set(outcomes) == {Answer((), 60)}
    assert peak == 4


async def test_forged_answers_are_ignored_and_counted(nameserver: NameServer, asking: Make) -> None:
    """Forged answers are ignored, and counted by their fault."""
    made = asking(nameserver.port, timeout=0.05)
    nameserver.zones["bl.example"] = behave.with_wrong_id(CLEAN, then_right=True)
    await made.ask(BL)
    nameserver.zones["bl.example"] = behave.with_wrong_question(CLEAN, then_right=True)
    await made.ask(BL)
    nameserver.zones["bl.example"] = lambda query: [b"\0", b"", *CLEAN(query)]
    await made.ask(BL)
    assert made.ignored == ["id", "question", "malformed", "malformed"]


def test_a_range_of_codes_means_no_refusal() -> None:
    """A configured range of codes does not change a refusal code; the code named alone does."""
    spam = Meaning("spam")
    wide = DnsList("bl.example", codes=((IPv4Network("127.0.0.0/8"), spam),))
    assert wide.meanings(IPv4Address("127.0.0.2")) == (spam,)
    for refusal in ("127.255.255.254", "127.0.0.1"):
        (meaning,) = wide.meanings(IPv4Address(refusal))
        assert meaning.effect == "refused"
        named = DnsList("bl.example", codes=((IPv4Network(refusal), spam),))
        assert named.meanings(IPv4Address(refusal)) == (spam,)
