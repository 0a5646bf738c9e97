"""Discovered targets: addresses of host names and the collector's sending addresses, and how long they are kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import dns.rcode
import pytest

from collector.metrics import CATALOGUE
from exporters.dnsbl.asking.wire import AAAA, A
from exporters.dnsbl.checking.discovered_targets import NAME_FAULTS, SENDING_METRIC, HostNames, SeenAddresses, fault_of
from exporters.dnsbl.planning.plan import Host
from exporters.dnsbl.verdicts.lookup_result import Answer, Failure, Outcome, Trouble
from tests.servers import nameserver as behave
from tests.servers.nameserver import Zone

MX = "mx.example"
BOTH: dict[int, Outcome] = {A: Answer(("192.0.2.1",), 60), AAAA: Answer(("2001:db8::1",), 60)}
GONE, TIMEOUT = Answer((), 60), Failure(Trouble.TIMEOUT)
KEPT = 900.0

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.nameserver import NameServer
    from tests.unit.dnsbl.conftest import ResolverUnderTest


def known(hosts: HostNames) -> list[str]:
    return [one.target.text for one in hosts.targets([Host(MX)], {})]


def test_one_family_may_fail_alone() -> None:
    """If only the AAAA lookup fails, the IPv6 addresses are kept for three intervals."""
    hosts = HostNames()
    hosts.note(MX, BOTH, 0.0, KEPT)
    moved: dict[int, Outcome] = {A: Answer(("192.0.2.2",), 60), AAAA: TIMEOUT}
    hosts.note(MX, moved, 900.0, KEPT)
    assert known(hosts) == ["192.0.2.2", "2001:db8::1"]
    hosts.note(MX, moved, 901.0, KEPT)
    assert known(hosts) == ["192.0.2.2"]


def test_a_name_that_does_not_resolve_keeps_its_addresses_for_three_intervals() -> None:
    """A name that fails or has no records keeps its addresses for three intervals after its last success."""
    hosts = HostNames()
    for failure in (TIMEOUT, GONE):
        hosts.note(MX, BOTH, 0.0, KEPT)
        hosts.note(MX, {A: failure, AAAA: failure}, 800.0, KEPT)
        hosts.note(MX, BOTH, 850.0, KEPT)
        hosts.note(MX, {A: failure, AAAA: failure}, 1700.0, KEPT)
        assert known(hosts) == ["192.0.2.1", "2001:db8::1"]
        hosts.note(MX, {A: failure, AAAA: failure}, 1751.0, KEPT)
        assert known(hosts) == []


def test_a_family_that_was_taken_away_is_gone_at_once() -> None:
    """A name that still resolves, but no longer to IPv6, loses its IPv6 addresses at once."""
    hosts = HostNames()
    hosts.note(MX, BOTH, 0.0, KEPT)
    hosts.note(MX, {A: BOTH[A], AAAA: GONE}, 1.0, KEPT)
    assert known(hosts) == ["192.0.2.1"]


def test_addresses_are_those_that_the_world_sees() -> None:
    """Addresses behind NAT become the public ones, with the name and its interval."""
    hosts = HostNames()
    hosts.note(MX, {A: Answer(("10.0.0.5",), 60), AAAA: GONE}, 0.0, KEPT)
    (one,) = hosts.targets([Host(MX, timedelta(seconds=30))], {"10.0.0.5": "192.0.2.5"})
    assert (one.target.text, one.name, one.interval) == ("192.0.2.5", MX, timedelta(seconds=30))


@pytest.mark.parametrize(
    ("a", "aaaa", "fault"),
    [
        (BOTH[A], BOTH[AAAA], None),
        (BOTH[A], TIMEOUT, None),
        (GONE, BOTH[AAAA], None),
        (GONE, GONE, "no_address"),
        (Answer((), 60, no_such_name=True), Answer((), 60, no_such_name=True), "no_such_name"),
        (Answer((), 60, no_such_name=True), TIMEOUT, "no_such_name"),
        (GONE, TIMEOUT, "timeout"),
        (Failure(Trouble.SERVFAIL), Failure(Trouble.SERVFAIL), "servfail"),
        (Answer(("10.0.0.5", "fd00::5"), 60), GONE, "private_address"),
        (Answer(("10.0.0.5", "192.0.2.5"), 60), GONE, None),
        (Answer(("10.0.0.6",), 60), GONE, None),
    ],
)
def test_what_is_wrong_with_a_name(a: Outcome, aaaa: Outcome, fault: str | None) -> None:
    """The fault of a name is: no such name, no address, only private addresses, or no answer."""
    assert fault_of({A: a, AAAA: aaaa}, {"10.0.0.6": "192.0.2.6"}) == fault
    assert fault is None or fault in NAME_FAULTS


async def test_a_name_that_does_not_resolve_is_logged_once_when_it_begins_and_once_when_it_ends(
    nameserver: NameServer, asking: Callable[..., ResolverUnderTest], caplog: pytest.LogCaptureFixture
) -> None:
    """Each kind of fault is logged with its advice when it begins and when it ends; a removed name is forgotten."""
    caplog.set_level("INFO", "exporters")
    nameserver.zones |= {
        "example": Zone("example", {"mx": ["192.0.2.1"]}, tests=False),
        "broken.example": behave.rcode(dns.rcode.SERVFAIL),
        "empty.example": behave.empty,
        "loop.example": behave.looping,
    }
    resolver = asking(nameserver.port).resolver
    hosts = HostNames()
    wanted = [Host(f"{name}.example") for name in ("mx", "typo", "broken", "empty", "loop")]
    for _ in range(2):
        await hosts.resolve(wanted, resolver, 300.0, {})
    assert hosts.faults == {
        "typo.example": "no_such_name",
        "broken.example": "servfail",
        "empty.example": "no_address",
        "loop.example": "malformed",
    }
    said = [getattr(record, "fields", {}) for record in caplog.records if record.message == "a target does not resolve"]
    assert [fields["target"] for fields in said] == [
        "typo.example",
        "broken.example",
        "empty.example",
        "loop.example",
    ]
    assert all(fields["to_do"] for fields in said)
    nameserver.zones["typo.example"] = Zone("example", {"typo": ["192.0.2.2"]}, tests=False)
    caplog.clear()
    await hosts.resolve(wanted[:2], resolver, 300.0, {})
    await hosts.resolve(wanted[:2], resolver, 300.0, {})
    assert [record.message for record in caplog.records] == ["a target resolves again"]
    assert hosts.faults == {}


async def test_names_that_all_fail_at_once_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """If many names fail at once, ten are logged by name and the others as a number."""
    hosts = HostNames()
    names = [f"mx{number}.example" for number in range(300)]
    hosts._note_faults(dict.fromkeys(names, "timeout"))
    assert len(caplog.records) == 11
    assert getattr(caplog.records[-1], "fields", None) == {"targets": 290}


def page(*addresses: str) -> str:
    """Return a page of metrics as the collector writes it."""
    lines = [f'{SENDING_METRIC}{{local_ip="{one}",provider="google",outcome="delivered"}} 5.0' for one in addresses]
    return "\n".join(["# TYPE duckwatch_sending_ip_events counter", *lines, 'other{local_ip="192.0.2.99"} 1', "# EOF"])


def seen(addresses: SeenAddresses, **public: str) -> list[str]:
    return [one.target.text for one in addresses.targets({key.replace("_", "."): at for key, at in public.items()})]


def test_what_the_collector_saw_sending_is_checked_as_the_world_sees_it() -> None:
    """Each sending address is checked once by its public address, without private ones and invalid labels."""
    assert "local_ip" in CATALOGUE[SENDING_METRIC]
    addresses = SeenAddresses()
    addresses.note(
        page("192.0.2.1", "192.0.2.1", "10.0.0.5", "10.0.0.6", "2001:DB8:0::1", "(other)", "192.0.2.300"), 0.0
    )
    assert seen(addresses, **{"10_0_0_5": "192.0.2.5"}) == ["192.0.2.1", "192.0.2.5", "2001:db8::1"]
    addresses.note("<html>not the collector</html>", 1.0)
    assert seen(addresses) == ["192.0.2.1", "2001:db8::1"]


def test_an_address_that_was_seen_stays_for_a_day() -> None:
    """A seen address stays for a day, so that a restart of the collector ends no listing."""
    addresses = SeenAddresses()
    addresses.note(page("192.0.2.1"), 0.0)
    addresses.note(page("192.0.2.2"), 80_000.0)
    addresses.note(page(), 86_400.0)
    assert seen(addresses) == ["192.0.2.1", "192.0.2.2"]
    addresses.note(page(), 86_401.0)
    assert seen(addresses) == ["192.0.2.2"]
