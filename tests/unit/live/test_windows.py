"""The windows over an hour of simulated traffic, with bursts, silences, new zones and hostile names."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.events.model.event import Action, Direction, MailEvent, Provider, Reason, Source
from collector.events.model.recent import COUNTED, NEWEST, RecentCounts, recent
from collector.live.lines import name_of
from collector.live.windows import COARSE, FIELDS, MAX_RANKED, SECONDS, Windows
from collector.metrics.labels import MAX_ZONES
from tests.hostile.values import TEXTS
from tests.servers.grafana_live import TOKEN, Frame, GrafanaLive

if TYPE_CHECKING:
    from collections.abc import Sequence

START = 1_795_504_000
HOUR = 3600
WATCHED = ("shop.example", "xn--mnchen-3ya.example")
TOP = 5


def event(second: int, chance: random.Random, zones: Sequence[str | None], domains: Sequence[str | None]) -> MailEvent:
    """Return an event within a second."""
    action = chance.choice([*COUNTED, Action.SPAM_CHECKED])
    return MailEvent(
        second * 1000 + chance.randrange(1000), "eu1", "mta1", f"q{chance.random()}", action, Source.PLUGIN,
        chance.choice([Direction.OUTBOUND, Direction.OUTBOUND, Direction.DSN]),
        recipients=chance.choice([None, 1, 3]), zone=chance.choice(zones), sender_domain=chance.choice(domains),
        recipient_domain=chance.choice(TEXTS), response_pattern=chance.choice(TEXTS),
        provider=chance.choice([None, *Provider]), reason=chance.choice([None, *Reason]),
    )  # fmt: skip


def counts(events: Sequence[MailEvent], now: int, *, width: int = 1, **wanted: str) -> dict[str, float]:
    """Count outbound events of the window that ends now, by action, in another way than the code under test."""
    first = now - now % width - SECONDS + width
    found = Counter({str(action): 0 for action in COUNTED})
    for one in events:
        is_counted = one.direction == "outbound" and first <= one.time / 1000 < now + 1 and one.action in COUNTED
        if is_counted and all(getattr(one, name) == value for name, value in wanted.items()):
            of_message = one.action in ("queued", "dropped")
            found[str(one.action)] += (one.recipients or 0) if of_message else 1
    return dict(found)


def shown(grafana: GrafanaLive, measurement: str) -> dict[str, float]:
    """Return the sums of a measurement's newest frame."""
    return {field: grafana.total(measurement, field) for field in FIELDS}


def shown_in(frame: Frame) -> dict[str, float]:
    """Return the sums of a frame."""
    return {field: sum(row[field] for row in frame.rows) for field in FIELDS}


def load(minute: int, chance: random.Random) -> int:
    """Return the events of a second: silences, a trickle, and bursts."""
    return [0, 1, chance.choice([0, 0, 3]), 60 if chance.random() < 0.05 else 2][minute // 5 % 4]


def test_an_hour_of_traffic() -> None:
    """Grafana takes each push; each measurement has one schema and as many rows each time; the sums are right."""
    chance = random.Random(1)
    windows, grafana = Windows(WATCHED, TOP), GrafanaLive()
    zones: list[str | None] = [None, "default"]
    domains = [None, "shop.example", "münchen.example", "xn--mnchen-3ya.example", *TEXTS[:20]]
    events: list[MailEvent] = []
    rows: dict[str, set[int]] = {}
    for now in range(START, START + HOUR):
        if now % 120 == 0:
            zones.append(chance.choice([f"zone {now}", f"bulk-{now}", *TEXTS]))
        new = [
            event(now - chance.choice([0, 0, 1, 40, 400]), chance, zones, domains)
            for _ in range(load(now // 60 % 60, chance))
        ]
        events = [one for one in events + new if one.time > (now - 500) * 1000]
        windows.add(recent(new), now)
        if now >= START + HOUR // 6 and now % 15 == 0:
            queue = {state: chance.randrange(9) for state in chance.choice([[], ["queued"], ["deferred", "queued"]])}
            windows.set_queue(now, queue, now)
        if now % 60 and chance.random() < 0.98:
            continue
        assert grafana.push(TOKEN, windows.render(now).encode()) == 200
        for measurement, frame in grafana.last.items():
            rows.setdefault(measurement, set()).add(len(frame.rows))
        assert shown(grafana, "traffic") == counts(events, now)
        if "queue" in grafana.last:
            assert grafana.last["queue"].rows[-1] == {"deferred": 0, "queued": 0} | queue
        for domain in WATCHED:
            assert shown(grafana, f"domain_{domain}") == counts(events, now, width=COARSE, sender_domain=domain)
        for zone in windows.zones:
            assert shown(grafana, f"zone_{name_of(zone)}") == counts(events, now, width=COARSE, zone=zone)
    assert {measurement: schemas for measurement, schemas in grafana.schemas.items() if len(schemas) > 1} == {}
    assert {measurement: found for measurement, found in rows.items() if len(found) > 1} == {}
    assert rows["traffic"] == rows["queue"] == {SECONDS}
    assert rows["top_domains"] == {TOP}
    assert rows["ticker"] == {NEWEST}


def test_empty_windows_are_whole() -> None:
    """Before the first event, each measurement has its rows and its schema; there is no `queue` without a queue."""
    windows, grafana = Windows(WATCHED, TOP), GrafanaLive()
    windows.know_zones(["default"])
    assert grafana.push(TOKEN, windows.render(START).encode()) == 200
    assert {name: len(frame.rows) for name, frame in grafana.last.items()} == {
        "traffic": SECONDS,
        "zone_default": SECONDS // COARSE,
        "domain_shop.example": SECONDS // COARSE,
        "domain_xn--mnchen-3ya.example": SECONDS // COARSE,
        "top_domains": TOP,
        "ticker": NEWEST,
    }
    before = dict(grafana.schemas)
    windows.add(recent([event(START, random.Random(1), ["default"], ["shop.example"]) for _ in range(99)]), START)
    assert grafana.push(TOKEN, windows.render(START).encode()) == 200
    assert grafana.schemas == before
    assert grafana.last["traffic"].times == [(START - SECONDS + 1 + n) * 1000 for n in range(SECONDS)]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(-900, 900), st.sampled_from(["a", "b", None])), max_size=80))
def test_what_lies_outside_the_window_is_not_counted(stamps: list[tuple[int, str | None]]) -> None:
    """Late events count in their own second, and those of the future when it has come; nothing else is kept."""
    windows, grafana = Windows((), 1), GrafanaLive()
    chance = random.Random(0)
    events = [event(START + offset, chance, [zone], [None]) for offset, zone in stamps]
    windows.add(recent(events), START)
    assert grafana.push(TOKEN, windows.render(START).encode()) == 200
    assert shown(grafana, "traffic") == counts(events, START)
    near = [one for one in events if abs(one.time // 1000 - START) < SECONDS]
    later = START + SECONDS - 1
    assert grafana.push(TOKEN, windows.render(later).encode()) == 200
    assert shown(grafana, "traffic") == counts(near, later)


def test_labels_are_bounded() -> None:
    """Zones beyond the limit and address-like zones have no window, and the ranking is bounded."""
    windows, grafana = Windows((), TOP), GrafanaLive()
    traffic: Counter[tuple[int, str | None, str]] = Counter(
        {(START, zone, "delivered"): 1 for zone in ["a@b.example", *[f"zone{n}" for n in range(200)]]}
    )
    domains = Counter({(START, f"d{n}.example", "delivered"): 1 + (n < 3) for n in range(5 * MAX_RANKED)})
    windows.add(RecentCounts(traffic, domains, []), START)
    assert grafana.push(TOKEN, windows.render(START).encode()) == 200
    assert len([name for name in grafana.last if name.startswith("zone_")]) == MAX_ZONES == len(windows.zones)
    assert {row["domain"] for row in grafana.last["top_domains"].rows} >= {"d0.example", "d1.example", "d2.example"}
    assert len(windows._ranking[START - START % 15]) == MAX_RANKED
    windows.render(START + 2 * SECONDS)
    assert not windows._ranking
    assert not windows._traffic


def test_the_newest_events_are_shown_newest_last() -> None:
    """The ticker holds the newest events, and one of a clock that is an hour ahead does not stay on top."""
    windows, grafana = Windows((), 1), GrafanaLive()
    chance = random.Random(3)
    events = [event(START - n, chance, [None], [f"d{n}.example"]) for n in range(30)]
    windows.add(recent(events[:15]), START)
    windows.add(recent([*events[15:], event(START + HOUR, chance, [None], ["ahead.example"])]), START)
    assert grafana.push(TOKEN, windows.render(START).encode()) == 200
    frame = grafana.last["ticker"]
    assert [row["sender_domain"] for row in frame.rows] == [f"d{n}.example" for n in reversed(range(NEWEST))]
    assert frame.times == sorted(frame.times)


def test_a_queue_stays_as_it_was_until_it_changes() -> None:
    """The window of the queue begins with the newest state before it, and each state holds until the next."""
    windows, grafana = Windows((), 1), GrafanaLive()
    states: list[tuple[int, dict[str, Any]]] = [
        (START - 400, {"queued": 1}),
        (START - 350, {"queued": 2, "deferred": 5}),
        (START - 100, {"deferred": 7}),
        (START, {}),
    ]
    for second, state in states:
        windows.set_queue(second, state, START)
    assert grafana.push(TOKEN, windows.render(START).encode()) == 200
    rows = grafana.last["queue"].rows
    assert rows[0] == {"queued": 2, "deferred": 5}
    assert rows[SECONDS - 101 - 1 : SECONDS - 101 + 1] == [{"queued": 2, "deferred": 5}, {"queued": 0, "deferred": 7}]
    assert rows[-2:] == [{"queued": 0, "deferred": 7}, {"queued": 0, "deferred": 0}]
