"""Host names as targets: what they resolved to, and how long it is kept."""

from __future__ import annotations

from datetime import timedelta

from exporters.dnsbl.asking.wire import AAAA, A
from exporters.dnsbl.outcome import Answer, Failure, Outcome, Trouble
from exporters.dnsbl.plan import Host
from exporters.dnsbl.targets import HostNames

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
