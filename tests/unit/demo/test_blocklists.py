"""The demo's lists: their answers, and that they list an address exactly while receivers refuse its mail."""

from __future__ import annotations

import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from duckwatch.demo.blocklists import CALM, STERN, BlockLists, yesterday
from duckwatch.demo.cast import STANDING_ADDRESS, ZONES
from duckwatch.demo.day import Day, Incidents

NOW = 1_795_495_100_000
DAY = Day(10, NOW)
LISTED_FROM, LISTED_TO = (round(NOW + part * DAY.day_seconds * 1_000) for part in Incidents().listed)


def asked(name: str, kind: str = "A", at: int = NOW) -> dns.message.Message:
    """Return the list's answer at that time."""
    return BlockLists(DAY, lambda: at)._answer(dns.message.make_query(name, kind))


@pytest.mark.parametrize(("at", "is_listed"), [(LISTED_FROM - 1, False), (LISTED_FROM, True), (LISTED_TO, False)])
def test_an_address_is_listed_during_the_incident(at: int, is_listed: bool) -> None:
    """One list lists an address, with a reason, as long as receivers refuse its mail."""
    name = f"31.113.0.203.{STERN}"
    assert bool(asked(name, at=at).answer) is is_listed
    assert bool(asked(name, "TXT", at=at).answer) is is_listed
    assert not asked(f"32.113.0.203.{STERN}", at=at).answer
    assert not asked(f"31.113.0.203.{CALM}", at=at).answer


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_another_address_is_listed_all_the_time(part: float) -> None:
    """Another list always lists an address, for information only, so that pages always show a listing."""
    at = round(NOW + part * DAY.day_seconds * 1_000)
    name = f"{'.'.join(reversed(STANDING_ADDRESS.split('.')))}.{CALM}"
    assert asked(name, at=at).answer
    assert STANDING_ADDRESS in asked(name, "TXT", at=at).answer[0].to_text()
    assert STANDING_ADDRESS in {address for addresses in ZONES.values() for address in addresses}


@pytest.mark.parametrize("zone", [STERN, CALM])
def test_the_lists_answer_their_test_points(zone: str) -> None:
    """The lists answer their test points (RFC 5782, 5) in any case of letters, and an absence with an SOA."""
    assert asked(f"2.0.0.127.{zone.upper()}").answer[0].rdtype == dns.rdatatype.A
    absent = asked(f"1.0.0.127.{zone}")
    assert absent.rcode() == dns.rcode.NXDOMAIN
    assert absent.authority[0].rdtype == dns.rdatatype.SOA


def test_the_day_before_had_its_listing_too() -> None:
    """A history of a day has the incident's results; a short one does not."""
    listed, clean = yesterday(DAY)
    assert DAY.begins < listed["time"] < clean["time"] < NOW
    assert [listed["verdict"], clean["verdict"]] == ["listed", "clean"]
    assert yesterday(Day(10, NOW, history_seconds=3_600)) == []
