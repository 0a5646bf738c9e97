"""*Reputation*: each listing has the counts of the same address's events, and a link to a known page only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from collector.events.model.event import Action, Direction, MailEvent, Reason, Source
from exporters.dnsbl.lists.catalogue import catalogue
from exporters.dnsbl.lists.names import TargetKind
from tests.integration.dashboards.shown import MINUTE, fill, now_ms, ranges, week

if TYPE_CHECKING:
    from tests.integration.house import House

pytestmark = pytest.mark.servers

ATTEMPTS = (Action.DELIVERED, Action.DEFERRED, Action.BOUNCED)
FAILED = (Action.DEFERRED, Action.BOUNCED)
HOSTILE = "javascript:alert(1)//'&<b>"
"""A target that must not get into a URL."""


def listings() -> list[tuple[str, str, str, str]]:
    """Return target, kind, list and standing: one busy address or domain on each list of the catalogue, and others."""
    ours = {TargetKind.ADDRESS: "192.0.2.5", TargetKind.DOMAIN: "shop.example"}
    lists = [entry.dns_list for entry in catalogue().values()]
    return [
        *((ours[one.kind], str(one.kind), one.zone, "listed") for one in lists),
        ("2001:db8::5", "address", "zen.spamhaus.org", "listed"),
        ("2001:db8::5", "address", "own.example", "listed"),
        ("2001:db8::5", "address", "psbl.surriel.com", "clean"),
        ("192.0.2.7", "address", "zen.spamhaus.org", "listed"),
        ("192.0.2.8", "address", "zen.spamhaus.org", "listed"),
        (HOSTILE, "address", "zen.spamhaus.org", "listed"),
        (HOSTILE, "domain", "dbl.spamhaus.org", "listed"),
    ]


def more_mail(end: int) -> list[MailEvent]:
    """Return complaints about one address, and 99 attempts of another, all of them refused."""
    complaints = [_event(end - number * MINUTE, "192.0.2.5", Action.COMPLAINED, number) for number in range(1, 8)]
    return [
        *complaints,
        *(_event(end - number * 1000, "192.0.2.7", Action.BOUNCED, number) for number in range(1, 100)),
    ]


def _event(at: int, address: str, action: Action, number: int) -> MailEvent:
    return MailEvent(
        at, "eu1", "mta1", f"{address}-{number}:{action}", action, Source.PLUGIN, Direction.OUTBOUND,
        recipients=1, local_ip=address, received_at=at, reason=Reason.REPUTATION if action is Action.BOUNCED else None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def filled(shared_house: House) -> tuple[House, list[MailEvent], int]:
    """A database with mail of nine days and listings that two clusters report, the mail, and the end of the ranges."""
    end = now_ms()
    events = [*week(end, seed=5), *more_mail(end)]
    fill(shared_house, events, seed=6)
    at = datetime.fromtimestamp(end / 1000, tz=UTC)
    for cluster in ("eu1", "us1"):
        for target, kind, zone, standing in listings():
            shared_house.connection.execute(
                "INSERT INTO dnsbl_results (time, cluster, event_id, target, kind, list, verdict, codes, meanings,"
                " standing, standing_since, received_at) VALUES (%s, %s, %s, %s, %s, %s, %s, '{}', '{}', %s, %s, %s)",
                (at, cluster, f"{target} {zone}", target, kind, zone, standing, standing, at, at),
            )
    return shared_house, events, end


def test_a_listing_stands_beside_the_mail_of_its_address(filled: tuple[House, list[MailEvent], int]) -> None:
    """Each listing of an address has its attempts, its refusals for reputation, their share, and its complaints."""
    house, events, end = filled
    for asked in ranges(end):
        rows = asked.ask(house.connection, "reputation/enforced")
        expected = {
            (target, zone) for target, kind, zone, state in listings() if (kind, state) == ("address", "listed")
        }
        assert len(rows) == len(expected)
        assert {(row["address"], row["list"]) for row in rows} == expected
        for row in rows:
            mine = [event for event in events if event.local_ip == row["address"]]
            attempts = asked.chosen(mine, *ATTEMPTS)
            refused = [event for event in attempts if event.action in FAILED and event.reason is Reason.REPUTATION]
            share = len(refused) / len(attempts) if len(attempts) >= 100 else None
            assert (row["attempts"], row["refused"]) == (len(attempts), len(refused))
            assert row["refused_share"] == (share if share is None else pytest.approx(share))
            assert row["complaints"] == len(asked.chosen(mine, Action.COMPLAINED))
            assert row["since"] == end
        assert rows == sorted(rows, key=lambda row: (-row["refused"], -row["attempts"]))
        shares = _of(rows, "refused_share")
        assert (shares["192.0.2.7"], shares["192.0.2.8"]) == (None, None)
        assert 0 < shares["192.0.2.5"] < 1
        assert _of(rows, "complaints") == dict.fromkeys(shares, 0) | {"192.0.2.5": 7}


@pytest.mark.parametrize(("name", "kinds"), [("enforced", {"address"}), ("current", {"address", "domain"})])
def test_only_known_lists_are_looked_up(filled: tuple[House, list[MailEvent], int], name: str, kinds: set[str]) -> None:
    """Every list of the catalogue leads to its operator's page. An unknown list and a hostile target lead nowhere."""
    house, _, end = filled
    rows = ranges(end)[0].ask(house.connection, f"reputation/{name}")
    target = "address" if name == "enforced" else "target"
    shown = {(row[target], row["list"]) for row in rows}
    assert shown >= {(of, zone) for of, kind, zone, state in listings() if kind in kinds and state == "listed"}
    for row in rows:
        known = row["list"] in catalogue() and row[target] != HOSTILE
        assert (row["lookup"] is not None, row["page"]) == (known, "look up" if known else None)
        assert row["lookup"] is None or row["lookup"].startswith("https://")
    expected = {
        ("2001:db8::5", "zen.spamhaus.org", "https://check.spamhaus.org/results/?query=2001:db8::5"),
        ("192.0.2.5", "psbl.surriel.com", "https://psbl.org/listing?ip=192.0.2.5"),
        ("shop.example", "dbl.spamhaus.org", "https://check.spamhaus.org/results/?query=shop.example"),
        ("shop.example", "multi.surbl.org", "https://surbl.org/surbl-analysis"),
    }
    found = {(row[target], row["list"], row["lookup"]) for row in rows}
    assert found >= {one for one in expected if one[:2] in shown}


def test_refusals_are_counted_by_address(filled: tuple[House, list[MailEvent], int]) -> None:
    """Each bin has the attempts that were refused for reputation, by address, also when the events are deleted."""
    house, events, end = filled
    with house.connection.transaction(force_rollback=True):
        house.connection.execute("TRUNCATE mail_events")
        for asked in ranges(end):
            refused = [event for event in asked.chosen(events, *FAILED) if event.reason is Reason.REPUTATION]
            rows = asked.ask(house.connection, "reputation/failures")
            assert {(row["time"], row["metric"]): row["recipients"] for row in rows} == {
                key: len(group) for key, group in asked.in_bins(refused, lambda one: one.local_ip or "unknown").items()
            }
            assert {row["metric"] for row in rows} == {"192.0.2.5", "192.0.2.7", "2001:db8::5", "unknown"}


def _of(rows: list[dict[str, Any]], column: str) -> dict[str, Any]:
    return {row["address"]: row[column] for row in rows}
