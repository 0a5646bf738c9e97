"""*Delivery*: each number equals the count of the same events in Python, at both roll-ups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.events.model.event import Action, MailEvent
from tests.integration.dashboards.shown import (
    DAY,
    HOUR,
    Range,
    attempt_ranges,
    counted,
    fill,
    now_ms,
    share,
    waited,
    week,
)

if TYPE_CHECKING:
    from tests.integration.house import House

pytestmark = pytest.mark.servers

ATTEMPTS = (Action.DELIVERED, Action.DEFERRED, Action.BOUNCED)
FAILED = (Action.DEFERRED, Action.BOUNCED)


@pytest.fixture(scope="module")
def filled(shared_house: House) -> tuple[House, list[MailEvent], int]:
    """A database with nine days of mail, the mail, and the end of the ranges."""
    end = now_ms()
    events = week(end, seed=5)
    fill(shared_house, events, seed=6)
    shared_house.only_read()
    return shared_house, events, end


def provider_of(event: MailEvent) -> str:
    """Return the event's provider as the panels name it."""
    return event.provider.value if event.provider else "none"


def attempt_of(event: MailEvent) -> str:
    """Return `unknown`, `first` or `later` for the event's attempt, as the panels do."""
    return "unknown" if event.attempt is None else "first" if event.attempt == 1 else "later"


def test_totals_are_those_of_the_events(filled: tuple[House, list[MailEvent], int]) -> None:
    """The totals, shares and waiting times of the top row equal the events."""
    house, events, end = filled
    for asked in attempt_ranges(end):
        mail = asked.chosen(events, *ATTEMPTS)
        finished = [event for event in mail if event.action is not Action.DEFERRED]
        first = [event for event in mail if event.attempt == 1]
        (row,) = asked.ask(house.connection, "delivery/totals")
        assert (row["attempts"], row["finished"], row["first_attempts"]) == (len(mail), len(finished), len(first))
        assert row["deferred_share"] == pytest.approx(share(mail, Action.DEFERRED))
        assert row["delivered_share"] == pytest.approx(share(finished, Action.DELIVERED))
        assert row["first_share"] == pytest.approx(share(first, Action.DELIVERED))
        assert (row["p50"], row["p95"]) == pytest.approx((waited(mail, 0.5), waited(mail, 0.95)))


def test_pairs_are_those_of_the_events(filled: tuple[House, list[MailEvent], int]) -> None:
    """Each pair of provider and address, or provider and attempt, has the shares and waiting times of its events."""
    house, events, end = filled
    for asked in attempt_ranges(end):
        mail = asked.chosen(events, *ATTEMPTS)
        pairs = counted(mail, lambda event: (provider_of(event), event.local_ip or "unknown"))
        attempts = counted(mail, lambda event: (provider_of(event), attempt_of(event)))
        for name, column, groups in (("pairs", "address", pairs), ("attempts", "attempt", attempts)):
            rows = asked.ask(house.connection, f"delivery/{name}")
            assert len(rows) == len(groups) == 12
            for row in rows:
                group = groups[row["provider"], row[column]]
                assert row["attempts"] == len(group)
                assert row["delivered_share"] == pytest.approx(share(group, Action.DELIVERED))
                assert row["deferred_share"] == pytest.approx(share(group, Action.DEFERRED))
                assert row["bounced_share"] == pytest.approx(share(group, Action.BOUNCED))
                assert row["p50"] == pytest.approx(waited(group, 0.5))
                assert row["p95"] == pytest.approx(waited(group, 0.95))
        cells = asked.ask(house.connection, "delivery/matrix")
        assert {(row["provider"], row["address"]): row["share"] for row in cells} == {
            pair: pytest.approx(share(group, Action.DELIVERED)) for pair, group in pairs.items()
        }


def test_shares_of_first_attempts_are_of_the_hour_before(filled: tuple[House, list[MailEvent], int]) -> None:
    """Each bin has the share of the hour up to its newest bucket, and no share for fewer than 100 first attempts."""
    house, events, end = filled
    for asked in attempt_ranges(end):
        mail = asked.chosen(events, *ATTEMPTS)
        expected = {}
        for (at, provider), group in asked.in_bins(mail, provider_of).items():
            until = max(asked.bucket(event) for event in group)
            first = [
                event
                for event in mail
                if event.attempt == 1 and provider_of(event) == provider and until - HOUR < asked.bucket(event) <= until
            ]
            if (known := share(first, Action.DELIVERED)) is not None:
                expected[at, provider] = known
        rows = asked.ask(house.connection, "delivery/first_attempts")
        assert {(row["time"], row["metric"]): row["share"] for row in rows} == pytest.approx(expected)
        assert expected or asked.hours > 72


def test_waiting_times_are_those_of_the_events(filled: tuple[House, list[MailEvent], int]) -> None:
    """The quantiles of waiting times equal the events', for all mail and by first and later attempts."""
    house, events, end = filled
    for asked in attempt_ranges(end):
        mail = asked.chosen(events, Action.DELIVERED)
        expected = {
            (at, f"p{round(part * 100)}"): seconds
            for at, group in counted(mail, asked.bin).items()
            for part in (0.5, 0.95, 0.99)
            if (seconds := waited(group, part)) is not None
        }
        rows = asked.ask(house.connection, "delivery/percentiles")
        assert {(row["time"], row["metric"]): row["seconds"] for row in rows} == pytest.approx(expected)
        known = [event for event in mail if event.attempt is not None]
        expected = {
            (at, f"{attempt}, p{round(part * 100)}"): seconds
            for (at, attempt), group in asked.in_bins(known, attempt_of).items()
            for part in (0.5, 0.95)
            if (seconds := waited(group, part)) is not None
        }
        rows = asked.ask(house.connection, "delivery/latency_by_attempt")
        assert {(row["time"], row["metric"]): row["seconds"] for row in rows} == pytest.approx(expected)


def test_yesterday_and_last_week_stand_at_the_same_hour(filled: tuple[House, list[MailEvent], int]) -> None:
    """The events of 24 hours and of 7 days before are moved into the range, in bins of the same width."""
    house, events, end = filled
    for asked in attempt_ranges(end)[:2]:
        moved = {
            name: Range(end - ago, asked.hours, asked.interval, asked.width)
            for name, ago in (("this time", 0), ("yesterday", DAY), ("a week ago", 7 * DAY))
        }
        for name, column, actions in (
            ("compared", "recipients", (Action.DELIVERED,)),
            ("compared_failed", "attempts", FAILED),
        ):
            expected = {
                (at + end - other.end, series): len(group)
                for series, other in moved.items()
                for at, group in counted(other.chosen(events, *actions), other.bin).items()
            }
            rows = asked.ask(house.connection, f"delivery/{name}")
            assert {(row["time"], row["metric"]): row[column] for row in rows} == expected
            assert {series for _, series in expected} == set(moved)
        slow = {
            (at + end - other.end, series): seconds
            for series, other in moved.items()
            for at, group in counted(other.chosen(events, Action.DELIVERED), other.bin).items()
            if (seconds := waited(group, 0.95)) is not None
        }
        rows = asked.ask(house.connection, "delivery/compared_latency")
        assert {(row["time"], row["metric"]): row["seconds"] for row in rows} == pytest.approx(slow)


def test_encryption_is_that_of_the_last_six_hours(filled: tuple[House, list[MailEvent], int]) -> None:
    """The TLS shares count at most the last six hours of the range, because no roll-up has them."""
    house, events, end = filled
    for hours in (3, 150):
        asked = Range(end, hours, "1m", 1)
        mail = Range(end, min(hours, 6), "1m", 1).chosen(events, Action.DELIVERED)
        groups = counted(mail, provider_of)
        rows = asked.ask(house.connection, "delivery/tls")
        assert {row["provider"]: row["delivered"] for row in rows} == {name: len(of) for name, of in groups.items()}
        for row in rows:
            group = groups[row["provider"]]
            encrypted = [event for event in group if event.tls_version]
            for column, fits, among in (
                ("plain_share", lambda event: event.tls_version is None, group),
                ("unverified_share", lambda event: event.tls_authorized is not True, encrypted),
                ("newest_share", lambda event: event.tls_version == "TLSv1.3", group),
                ("tls12_share", lambda event: event.tls_version == "TLSv1.2", group),
                ("old_share", lambda event: event.tls_version == "TLSv1.1", group),
            ):
                part = sum(map(fits, among)) / len(among) if len(among) >= 100 else None
                assert row[column] == pytest.approx(part), column
