"""The roll-ups that long ranges are read from: they are read, and give the numbers of those they are built from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from collector.events.model.event import Action, MailEvent
from tests.integration.dashboards.shown import (
    CHOICES,
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
TOTALS = ("delivery/totals", "delivery/matrix", "delivery/pairs", "delivery/attempts")
CHARTS = (
    "delivery/first_attempts", "delivery/latency_by_attempt", "delivery/percentiles", "delivery/compared",
    "delivery/compared_failed", "delivery/compared_latency", "overview/verdict_delivery",
)  # fmt: skip
BY_ZONE = ("overview/outcomes", "overview/in_and_out", "overview/by_zone")
READ = {
    "attempt_stats_1d": TOTALS,
    "recipient_stats_1d": ("bounces/refusing_domains",),
    "provider_stats_1h": CHARTS,
    "zone_stats_1h": BY_ZONE,
}
"""The queries of a long range by the roll-up that they must read."""

SOURCES = {
    "attempt_stats_1d": "1 day",
    "recipient_stats_1d": "1 day",
    "provider_stats_1h": "1 hour",
    "zone_stats_1h": "1 hour",
}
LEFT_OUT = {"zone": "bulk", "address": "192.0.2.5"}


@pytest.fixture(scope="module")
def filled(shared_house: House) -> tuple[House, list[MailEvent], int]:
    """A database with nine days of mail, the mail, and the end of the ranges."""
    end = now_ms()
    domains = [f"d{number}.example" for number in range(7)]
    events = [
        event if event.action not in ATTEMPTS else _to(event, domains[number % 7])
        for number, event in enumerate(week(end, seed=15))
    ]
    fill(shared_house, events, seed=16)
    shared_house.only_read()
    return shared_house, events, end


def _to(event: MailEvent, domain: str) -> MailEvent:
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    return MailEvent(**values | {"recipient_domain": domain})


def changed(house: House, asked: Range, name: str, statement: str) -> list[dict[str, Any]]:
    """Return the rows that a query gets after a statement, which is rolled back."""
    with house.connection.transaction(force_rollback=True):
        house.connection.execute("SET TRANSACTION READ WRITE")
        house.connection.execute(statement.encode())
        return asked.ask(house.connection, name)


@pytest.mark.parametrize(("relation", "name"), [(one, name) for one, names in READ.items() for name in names])
def test_a_long_range_reads_the_roll_up_once_it_is_built(
    filled: tuple[House, list[MailEvent], int], relation: str, name: str
) -> None:
    """Without its older half the numbers are the same, since the other roll-ups stand in; with others they are not."""
    house, _, end = filled
    asked = Range(end, 150, "2h", HOUR)
    rows = asked.ask(house.connection, name)
    assert rows
    old = f"bucket < now() - interval '3 days' AND bucket < date_bin('{SOURCES[relation]}', now(), 'epoch')"
    assert changed(house, asked, name, f"DELETE FROM {relation} WHERE {old}") == rows
    assert changed(house, asked, name, f"DELETE FROM {relation}") == rows
    sums = "events = 1000 * events, queue_le_1s = 1000 * events, queue_count = 1000 * events"
    wrong = "events = 1000 * events" if relation.startswith(("recipient", "zone")) else sums
    # Only of some actions: shares would stay as they are.
    statement = f"UPDATE {relation} SET {wrong} WHERE action IN ('delivered', 'bounced')"
    assert changed(house, asked, name, statement) != rows


@pytest.mark.parametrize("name", BY_ZONE)
def test_a_day_reads_the_roll_up_by_zone_once_it_is_built(
    filled: tuple[House, list[MailEvent], int], name: str
) -> None:
    """Without its first half, or without any row, the numbers are the same; with others they are not."""
    house, _, end = filled
    asked = Range(end, 24, "30m", HOUR // 12)
    rows = asked.ask(house.connection, name)
    assert rows
    assert changed(house, asked, name, "DELETE FROM zone_stats_5m WHERE bucket < now() - interval '12 hours'") == rows
    assert changed(house, asked, name, "DELETE FROM zone_stats_5m") == rows
    wrong = "UPDATE zone_stats_5m SET events = 1000 * events WHERE action IN ('delivered', 'bounced')"
    assert changed(house, asked, name, wrong) != rows


@pytest.mark.parametrize("left_out", LEFT_OUT)
def test_what_the_viewer_left_out_is_not_counted(filled: tuple[House, list[MailEvent], int], left_out: str) -> None:
    """A roll-up without zones and addresses is no answer for a viewer who left one of them out."""
    house, events, end = filled
    value = LEFT_OUT[left_out]
    chosen = tuple(choice for choice in CHOICES if choice != value)
    left = [event for event in events if value not in {event.zone, event.local_ip}]
    for asked in attempt_ranges(end):
        mail = asked.chosen(left, *ATTEMPTS)
        (row,) = asked.ask(house.connection, "delivery/totals", chosen)
        assert row["attempts"] == len(mail)
        assert row["deferred_share"] == pytest.approx(share(mail, Action.DEFERRED))
        expected = {
            (at, f"p{round(part * 100)}"): seconds
            for at, group in counted(asked.chosen(left, Action.DELIVERED), asked.bin).items()
            for part in (0.5, 0.95, 0.99)
            if (seconds := waited(group, part)) is not None
        }
        rows = asked.ask(house.connection, "delivery/percentiles", chosen)
        assert {(row["time"], row["metric"]): row["seconds"] for row in rows} == pytest.approx(expected)
        ago = {"this time": 0, "yesterday": DAY, "a week ago": 7 * DAY}
        compared = {
            (at + before, series): len(group)
            for series, before in ago.items()
            for at, group in counted(
                replace(asked, end=end - before).chosen(left, Action.DELIVERED), replace(asked, end=end - before).bin
            ).items()
        }
        rows = asked.ask(house.connection, "delivery/compared", chosen)
        assert {(row["time"], row["metric"]): row["recipients"] for row in rows} == compared


def test_the_hours_of_a_range_add_up_in_every_time_zone(filled: tuple[House, list[MailEvent], int]) -> None:
    """A range from midnight to midnight of a zone is whole days of UTC and hours, or half hours, beside them."""
    house, events, end = filled
    for shift in (-11 * HOUR, -HOUR // 2, 0, HOUR, 11 * HOUR // 2, 13 * HOUR):
        asked = Range(end // DAY * DAY - shift, 96, "2h", HOUR)
        (row,) = asked.ask(house.connection, "delivery/totals")
        assert row["attempts"] == len(asked.chosen(events, *ATTEMPTS)), shift
