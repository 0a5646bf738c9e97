"""Targets that are not written down: host names, what they resolved to, and what the collector has seen sending; how long it is kept."""

from __future__ import annotations

from datetime import timedelta

from collector.metrics import CATALOGUE
from exporters.dnsbl.asking.wire import AAAA, A
from exporters.dnsbl.outcome import Answer, Failure, Outcome, Trouble
from exporters.dnsbl.plan import Host
from exporters.dnsbl.targets import SENDING_METRIC, HostNames, SeenAddresses

MX = "mx.example"
BOTH: dict[int, Outcome] = {A: Answer(("192.0.2.1",), 60), AAAA: Answer(("2001:db8::1",), 60)}
GONE, TIMEOUT = Answer((), 60), Failure(Trouble.TIMEOUT)
KEPT = 900.0


def known(hosts: HostNames) -> list[str]:
    return [one.target.text for one in hosts.targets([Host(MX)], {})]


def test_one_family_may_fail_alone() -> None:
    """AAAA that times out keeps the IPv6 addresses beside fresh IPv4 ones; for three intervals, then they are gone."""
    hosts = HostNames()
    hosts.note(MX, BOTH, 0.0, KEPT)
    moved: dict[int, Outcome] = {A: Answer(("192.0.2.2",), 60), AAAA: TIMEOUT}
    hosts.note(MX, moved, 900.0, KEPT)
    assert known(hosts) == ["192.0.2.2", "2001:db8::1"]
    hosts.note(MX, moved, 901.0, KEPT)
    assert known(hosts) == ["192.0.2.2"]


def test_a_name_that_does_not_resolve_keeps_its_addresses_for_three_intervals() -> None:
    """Whether by failure or for lack of any record; a success begins the time anew."""
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
    """A name that resolves, but no longer to IPv6, says so by an answer."""
    hosts = HostNames()
    hosts.note(MX, BOTH, 0.0, KEPT)
    hosts.note(MX, {A: BOTH[A], AAAA: GONE}, 1.0, KEPT)
    assert known(hosts) == ["192.0.2.1"]


def test_addresses_are_those_that_the_world_sees() -> None:
    """Behind NAT the public ones, with the name and its interval."""
    hosts = HostNames()
    hosts.note(MX, {A: Answer(("10.0.0.5",), 60), AAAA: GONE}, 0.0, KEPT)
    (one,) = hosts.targets([Host(MX, timedelta(seconds=30))], {"10.0.0.5": "192.0.2.5"})
    assert (one.target.text, one.name, one.interval) == ("192.0.2.5", MX, timedelta(seconds=30))


def page(*addresses: str) -> str:
    """As the collector writes it, among other things."""
    lines = [f'{SENDING_METRIC}{{local_ip="{one}",provider="google",outcome="delivered"}} 5.0' for one in addresses]
    return "\n".join(["# TYPE duckwatch_sending_ip_events counter", *lines, 'other{local_ip="192.0.2.99"} 1', "# EOF"])


def seen(addresses: SeenAddresses, **public: str) -> list[str]:
    return [one.target.text for one in addresses.targets({key.replace("_", "."): at for key, at in public.items()})]


def test_what_the_collector_saw_sending_is_checked_as_the_world_sees_it() -> None:
    """Once each; without what only a network of one's own knows, and without labels that are no addresses."""
    assert "local_ip" in CATALOGUE[SENDING_METRIC]
    addresses = SeenAddresses()
    addresses.note(
        page("192.0.2.1", "192.0.2.1", "10.0.0.5", "10.0.0.6", "2001:DB8:0::1", "(other)", "192.0.2.300"), 0.0
    )
    assert seen(addresses, **{"10_0_0_5": "192.0.2.5"}) == ["192.0.2.1", "192.0.2.5", "2001:db8::1"]
    addresses.note("<html>not the collector</html>", 1.0)
    assert seen(addresses) == ["192.0.2.1", "2001:db8::1"]


def test_an_address_that_was_seen_stays_for_a_day() -> None:
    """The collector counts from its own start: with a restart of it no standing listing may go."""
    addresses = SeenAddresses()
    addresses.note(page("192.0.2.1"), 0.0)
    addresses.note(page("192.0.2.2"), 80_000.0)
    addresses.note(page(), 86_400.0)
    assert seen(addresses) == ["192.0.2.1", "192.0.2.2"]
    addresses.note(page(), 86_401.0)
    assert seen(addresses) == ["192.0.2.2"]
