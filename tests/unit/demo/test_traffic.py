"""The demo's traffic: its events, their form, and their rate."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collector.events.border.decoding import Border, decode_body
from collector.events.model.event import Source
from duckwatch.demo.cast import BAD_LIST_SENDER, HOSTS, LISTED_ADDRESS
from duckwatch.demo.day import DAY_SECONDS, Day, Incidents
from duckwatch.demo.traffic import EVENTS_PER_MESSAGE, Traffic

if TYPE_CHECKING:
    from duckwatch.demo.entries import Event

NOON = 1_795_521_600_000
RECORDED = Path(__file__).parents[2] / "fixtures" / "zonemta-log-entries.jsonl"


def quick_day(rate: float = 100, seed: int = 1) -> list[Event]:
    """Return the events of a whole quick day without history."""
    return list(Traffic(random.Random(seed), Day(rate, NOON, history_seconds=0)).advance(NOON + 600_000))


@pytest.fixture(scope="module")
def day() -> list[Event]:
    return quick_day()


def test_the_same_seed_gives_the_same_events() -> None:
    """The same seed gives the same events, also with other steps of time."""
    traffic = Traffic(random.Random(7), Day(20, NOON, history_seconds=0))
    in_pieces = [event for until in range(NOON, NOON + 60_001, 250) for event in traffic.advance(until)]
    at_once = list(Traffic(random.Random(7), Day(20, NOON, history_seconds=0)).advance(NOON + 60_000))
    assert in_pieces == at_once
    assert at_once != list(Traffic(random.Random(8), Day(20, NOON, history_seconds=0)).advance(NOON + 60_000))


def test_events_come_in_the_order_of_time_and_never_late(day: list[Event]) -> None:
    """Events are in the order of time, and none is later than the asked time."""
    assert all(one.time <= two.time for one, two in pairwise(day))
    assert NOON <= day[0].time <= day[-1].time <= NOON + 600_000


@pytest.mark.parametrize("rate", [10, 200])
def test_the_rate_of_events_is_the_mean_of_the_day(rate: float) -> None:
    """The number of events is within a tenth of the asked one, so EVENTS_PER_MESSAGE is right."""
    events = quick_day(rate, seed=3)
    assert len(events) / 600 == pytest.approx(rate, rel=0.1)
    messages = sum(event.entry["action"] == "SPAMCHECK" for event in events)
    assert len(events) / messages == pytest.approx(EVENTS_PER_MESSAGE, rel=0.1)


def test_no_rate_no_events() -> None:
    """Rate 0 gives no events, also no history."""
    assert list(Traffic(random.Random(1), Day(0, NOON)).advance(NOON + 600_000)) == []


def test_a_day_is_busy_at_noon_and_quiet_at_night(day: list[Event]) -> None:
    """The first tenth of the quick day, around noon, has twice the mail of the hours after midnight."""
    tenths = Counter((event.time - NOON) // 60_000 for event in day if event.entry["action"] == "SPAMCHECK")
    assert tenths[0] > 2 * tenths[6]


def test_history_fills_the_day_before_and_joins_the_present() -> None:
    """The history has about the planned number of events, some in every hour, and joins the live
    part without a step.
    """
    plan = Day(20, NOON)
    traffic = Traffic(random.Random(1), plan)
    past = list(traffic.advance(NOON))
    assert len(past) == pytest.approx(plan.history_events, rel=0.4)
    hours = Counter((event.time - plan.begins) // 3_600_000 for event in past)
    assert set(hours) == set(range(DAY_SECONDS // 3_600))
    last_minute = sum(event.time > NOON - 60_000 for event in past)
    assert len(list(traffic.advance(NOON + 60_000))) == pytest.approx(last_minute, rel=0.25)


@pytest.mark.parametrize(("rate", "most"), [(0.1, 0.1 * DAY_SECONDS * 1.1), (500, 75_000)])
def test_history_has_a_bound_at_every_rate(rate: float, most: float) -> None:
    """The history of a slow demo has its rate, that of a quick one is limited."""
    assert 0 < len(list(Traffic(random.Random(1), Day(rate, NOON)).advance(NOON))) < most


def test_every_identity_is_one_event(day: list[Event]) -> None:
    """Queue id, seq, action, count and DSN kind identify an event, as in the recording."""
    keys = {
        (event.entry["id"], *(event.entry.get(key) for key in ("seq", "action", "defcount", "bounceType")))
        for event in day
    }
    assert len(keys) == len(day)


def test_queue_ids_are_zonemtas(day: list[Event]) -> None:
    """A queue id has 18 hex digits and begins with its creation time, at most some minutes before the event."""
    for event in day:
        assert len(event.entry["id"]) == 18
        assert 0 <= event.time - int(event.entry["id"][:11], 16) < 900_000


def recorded_shapes() -> tuple[dict[str, dict[str, set[str]]], dict[str, set[str]]]:
    """Return, for each action, the types of each key and the keys in every entry."""
    types: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    always: dict[str, set[str]] = {}
    for line in RECORDED.read_text().splitlines():
        entry: dict[str, Any] = json.loads(line)["entry"]
        action = entry["action"]
        for key, value in entry.items():
            types[action][key].add(type(value).__name__)
        always[action] = always.get(action, set(entry)) & set(entry)
    # The plugin adds the number of the attempt that ended a delivery.
    for end in ("ACCEPTED", "REJECTED"):
        types[end]["defcount"] = types["DEFERRED"]["defcount"]
        always[end].add("defcount")
    # The recording has no refused message of an authenticated user. Its entry is like QUEUED.
    for refusal in ("NOQUEUE", "DROP"):
        types[refusal]["user"] = types["QUEUED"]["user"]
    return types, always


def test_shapes_are_those_of_the_recording(day: list[Event]) -> None:
    """The entries have only ZoneMTA's keys and types, and all keys that it always writes."""
    types, always = recorded_shapes()
    for event in day:
        action = event.entry["action"]
        for key, value in event.entry.items():
            assert type(value).__name__ in types[action].get(key, ()), (action, key)
        assert always[action] <= set(event.entry), action


def test_every_kind_of_event_happens(day: list[Event]) -> None:
    """A day has every kind of event, from the process that logs it."""
    seen = {(event.context, event.entry["action"]) for event in day}
    assert seen == {
        *(("receiver", word) for word in ("QUEUED", "SPAMCHECK", "VIRUSCHECK", "NOQUEUE", "DROP")),
        *(("sender", word) for word in ("ACCEPTED", "DEFERRED", "REJECTED")),
        *(("main", word) for word in ("QUEUED", "QUEUE_BOUNCE", "DROP", "DELETED")),
    }
    assert {event.host for event in day} == set(HOSTS)


def test_each_message_is_checked_then_queued_then_tried() -> None:
    """A message's events are in order: checks, queued, attempts counted from 1, one end for each recipient."""
    stories: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in quick_day(20):
        stories[event.entry["id"]].append(event.entry)
    for story in stories.values():
        if story[0]["action"] != "VIRUSCHECK":  # a DSN, or refused before the checks
            assert story[0]["action"] in {"QUEUED", "NOQUEUE", "DROP"}
            continue
        assert [entry["action"] for entry in story[:2]] == ["VIRUSCHECK", "SPAMCHECK"]
        recipients: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for entry in story[3:]:
            assert story[2]["action"] == "QUEUED"
            recipients[entry["seq"]].append(entry)
        for entries in recipients.values():
            tries = [entry for entry in entries if entry["action"] != "QUEUE_BOUNCE"]
            counts = [entry["defcount"] for entry in takewhile(lambda one: one["action"] == "DEFERRED", tries)]
            assert counts == list(range(1, len(counts) + 1))
            assert len(tries) - len(counts) <= 1
            for entry in tries[len(counts) :]:
                assert entry.get("defcount") == (len(tries) if entry["action"] in ("ACCEPTED", "REJECTED") else None)


def test_everything_decodes(day: list[Event]) -> None:
    """The collector accepts every event."""
    body = [
        {"time": event.time, "context": event.context, "cluster": event.host.cluster, "entry": event.entry}
        for event in day[:20_000]
    ]
    request = decode_body(
        json.dumps(body).encode(), received_at=NOON + 600_000, source=Source.PLUGIN, border=Border(max_items=20_000)
    )
    assert not request.rejections
    assert len(request.entries) == len(body)


def test_incidents_come_in_their_hours(day: list[Event]) -> None:
    """Each incident (listed address, rate limit, outdated mailing list) happens in its hour and not outside it."""
    plan, hours = Day(100, NOON), Incidents()
    seen: dict[str, list[float]] = defaultdict(list)
    for event in day:
        response, elapsed = event.entry.get("response", ""), plan.elapsed(event.time)
        if "zen.spamhaus.org" in response:
            assert event.entry["ip"] == LISTED_ADDRESS
            seen["listed"].append(elapsed)
        if "4.7.28" in response:
            seen["rate_limited"].append(elapsed)
        if event.entry["action"] == "REJECTED" and event.entry["from"].endswith("@" + BAD_LIST_SENDER):
            seen["rejected"].append(elapsed)
    for window, name in ((hours.listed, "listed"), (hours.rate_limited, "rate_limited")):
        assert len(seen[name]) > 20
        assert window[0] <= min(seen[name]) <= max(seen[name]) < window[1] + 0.02
    begin, end = hours.bad_list
    bad = sum(begin <= elapsed < end for elapsed in seen["rejected"])
    otherwise = (len(seen["rejected"]) - bad) / (1 - (end - begin))
    assert bad / (end - begin) > 4 * otherwise
