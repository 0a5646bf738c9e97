"""*Overview*: each number equals the count of the same events in Python, at every roll-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from collector.events.model.event import Action, Direction, MailEvent
from tests.integration.dashboards.shown import (
    HOUR,
    MINUTE,
    Range,
    attempt_ranges,
    counted,
    fill,
    now_ms,
    ranges,
    share,
    week,
)

if TYPE_CHECKING:
    from tests.integration.house import House

pytestmark = pytest.mark.servers

ATTEMPTS = (Action.DELIVERED, Action.DEFERRED, Action.BOUNCED)
FINISHED = (Action.DELIVERED, Action.BOUNCED)


@pytest.fixture(scope="module")
def filled(shared_house: House) -> tuple[House, list[MailEvent], int]:
    """A database with nine days of mail, the mail, and the end of the ranges."""
    end = now_ms()
    events = week(end, seed=1)
    fill(shared_house, events, seed=2)
    shared_house.only_read()
    return shared_house, events, end


def test_counts_are_those_of_the_events(filled: tuple[House, list[MailEvent], int]) -> None:
    """Outcomes and queue flows by bin, and each zone's counts and shares, equal the events."""
    house, events, end = filled
    for asked in ranges(end):
        rows = asked.ask(house.connection, "overview/outcomes")
        expected = asked.in_bins(asked.chosen(events, *ATTEMPTS), action_of)
        assert {(row["time"], row["metric"]): row["recipients"] for row in rows} == sizes(expected)
        moved = asked.chosen(events, Action.QUEUED, *FINISHED, Action.DROPPED)
        rows = asked.ask(house.connection, "overview/in_and_out")
        flows = asked.in_bins(moved, _flow)
        assert {(row["time"], row["metric"]): row["recipients"] for row in rows} == {
            key: sum(event.recipients or 0 for event in group) for key, group in flows.items()
        }
    for asked in attempt_ranges(end):
        zones = counted(asked.chosen(events, *ATTEMPTS), lambda event: (event.cluster, event.zone or "none"))
        rows = asked.ask(house.connection, "overview/by_zone")
        assert len(rows) == len(zones) == 6
        for row in rows:
            group = zones[row["cluster"], row["zone"]]
            finished = [event for event in group if event.action in FINISHED]
            assert (row["attempts"], row["finished"]) == (len(group), len(finished))
            assert row["bounced_share"] == pytest.approx(share(finished, Action.BOUNCED))
            assert row["deferred_share"] == pytest.approx(share(group, Action.DEFERRED))


def test_reasons_of_a_long_range_are_counted_right(filled: tuple[House, list[MailEvent], int]) -> None:
    """In a range of over a day, reasons have the counts of their events, no class, and the newest reply pattern."""
    house, events, end = filled
    asked = Range(end, 150, "1h", HOUR)
    rows = asked.ask(house.connection, "overview/failure_reasons")
    failed = asked.chosen(events, Action.DEFERRED, Action.BOUNCED)
    groups = counted(failed, lambda event: (event.action, event.reason, event.provider or "none"))
    assert {(row["action"], row["reason"], row["provider"]): row["recipients"] for row in rows} == sizes(groups)
    for row in rows:
        group = groups[row["action"], row["reason"], row["provider"]]
        newest = max((event for event in group if event.response_pattern), key=lambda event: event.time)
        assert (row["class"], row["newest"]) == (None, max(event.time for event in group))
        assert row["pattern"] == newest.response_pattern


def test_verdicts_on_delivery_follow_the_half_hour_before(filled: tuple[House, list[MailEvent], int]) -> None:
    """Each provider's verdict follows the attempts of the window before, and fewer than 100 give no judgement."""
    house, events, end = filled
    for asked in attempt_ranges(end):
        window = HOUR if asked.hours > 72 else 30 * MINUTE
        mail = asked.chosen(events, *ATTEMPTS)
        rows = asked.ask(house.connection, "overview/verdict_delivery")
        assert {row["metric"] for row in rows} == {f"Delivery to {name}" for name in ("google", "yahoo", "other")}
        for row in rows:
            own = [event for event in mail if f"Delivery to {event.provider}" == row["metric"]]
            # The newest bucket of the bin, or the bin's start if no bucket began in it.
            until = max([row["time"], *(asked.bucket(event) for event in own if asked.bin(event) == row["time"])])
            recent = [event for event in own if until - window < asked.bucket(event) <= until]
            assert row["state"] == _delivery(recent), (asked, row)
        if asked.hours == 3:
            last = {row["metric"]: row["state"] for row in rows}
            assert last == {"Delivery to google": 0, "Delivery to yahoo": 10, "Delivery to other": 11}


def test_verdicts_on_injection_tell_silence_and_refusals(house: House) -> None:
    """The verdict follows an hour of mail, an hour in which half is refused, and a silent hour."""
    end = now_ms()
    start = end - 3 * HOUR
    made = [event for event in week(end, seed=3) if event.action is Action.QUEUED][:1]
    events = [_again(made[0], start + n * 5_000, n, Action.QUEUED) for n in range(720)]
    for n in range(360):
        events += [
            _again(made[0], start + HOUR + n * 10_000, n, Action.QUEUED),
            _again(made[0], start + HOUR + n * 10_000, n, Action.REFUSED),
        ]
    fill(house, events, seed=4)
    rows = Range(end, 3, "1m", 15_000).ask(house.connection, "overview/verdict_injection")
    states = {round((row["time"] - start) / MINUTE): row["state"] for row in rows}
    assert [states[minute] for minute in (5, 40, 95, 155, 175)] == [1, 0, 21, 20, 20]
    assert {row["metric"] for row in rows} == {"Injection"}


def _delivery(recent: list[MailEvent]) -> int:
    number = {action: sum(event.action is action for event in recent) for action in ATTEMPTS}
    finished = number[Action.DELIVERED] + number[Action.BOUNCED]
    if len(recent) < 100:
        return 1
    if finished >= 100 and number[Action.BOUNCED] / finished >= 0.1:
        return 11
    return 10 if number[Action.DEFERRED] / len(recent) >= 0.3 else 0


def _again(event: MailEvent, at: int, number: int, action: Action) -> MailEvent:
    changes = {
        "time": at,
        "event_id": f"q{at}-{number}:{action}",
        "action": action,
        "cluster": "eu1",
        "direction": Direction.OUTBOUND,
    }
    fields: dict[str, Any] = {name: getattr(event, name) for name in MailEvent.__struct_fields__}
    return MailEvent(**{**fields, **changes})


def action_of(event: MailEvent) -> str:
    """Return the event's action as the panel names it."""
    return event.action.value


def _flow(event: MailEvent) -> str:
    return "into the queue" if event.action is Action.QUEUED else "out of the queue"


def sizes(groups: dict[Any, list[MailEvent]]) -> dict[Any, int]:
    """Return the number of events of each key."""
    return {key: len(group) for key, group in groups.items()}
