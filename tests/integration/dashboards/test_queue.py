"""*Queue*: each number equals the count of the same rows in Python."""

from __future__ import annotations

import random
import statistics
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.contract.more_rows import insert, snapshots
from tests.integration.dashboards.asking import ask, bin_of

if TYPE_CHECKING:
    from tests.integration.house import House

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTES = 90
SPAN = (START, START + timedelta(minutes=MINUTES))
CHOSEN = ("default", "it's")
ROWS = [*snapshots(START, MINUTES, (*CHOSEN, "elsewhere"))]
OURS = [row for row in ROWS if row.cluster in CHOSEN]
BY_ZONE = [row for row in OURS if row.domain is None]
LAST = START + timedelta(minutes=MINUTES - 1)

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def snapped(shared_house: House) -> House:
    """A database with the snapshots of an hour and a half."""
    with shared_house.connection.cursor() as cursor:
        insert(cursor, "queue_snapshots", ROWS)
    shared_house.only_read()
    return shared_house


def newest_of_bins(width: timedelta) -> dict[datetime, datetime]:
    """Return the time of the newest snapshot in each bin."""
    return {bin_of(row.time, width): row.time for row in BY_ZONE}


@pytest.mark.parametrize(("interval", "width"), [("1m", 1), ("5m", 5), ("1h", 60)])
def test_each_bin_shows_its_newest_snapshot(snapped: House, interval: str, width: int) -> None:
    """Each bin has the counts, states and ages of its newest snapshot, and 0 for a zone that is empty in it."""
    times = newest_of_bins(timedelta(minutes=width))
    waiting: Counter[tuple[datetime, str]] = Counter()
    states: Counter[tuple[datetime, str]] = Counter()
    oldest: dict[tuple[datetime, str], float] = {}
    for at, time in times.items():
        for row in BY_ZONE:
            if row.time == time:
                zone = row.zone or "none"
                waiting[at, zone] += row.messages
                states[at, row.state] += row.messages
                age = (time - row.oldest).total_seconds()
                oldest[at, zone] = max(oldest.get((at, zone), 0), age)
    zones = {zone for _, zone in waiting}
    found = ask(snapped.connection, "queue/by_zone", SPAN, interval=interval, clusters=CHOSEN)
    assert {(one["time"], one["metric"]): one["recipients"] for one in found} == {
        (at, zone): waiting[at, zone] for at in times for zone in zones
    }
    if width == 1:
        assert any(one["recipients"] == 0 for one in found)
    found = ask(snapped.connection, "queue/by_state", SPAN, interval=interval, clusters=CHOSEN)
    assert {(one["time"], one["metric"]): one["recipients"] for one in found} == states
    found = ask(snapped.connection, "queue/oldest", SPAN, interval=interval, clusters=CHOSEN)
    assert {(one["time"], one["metric"]): one["age"] for one in found} == oldest


def test_a_zone_drains_as_its_line_says(snapped: House) -> None:
    """A zone's slope equals Python's linear regression of the last half hour, and gives the time until it is empty."""
    end = START + timedelta(minutes=60)
    times = [end - timedelta(minutes=back) for back in range(30)]
    counts: dict[str, Counter[datetime]] = defaultdict(Counter)
    for row in BY_ZONE:
        counts[row.zone or "none"][row.time] += row.messages
    found = {one["zone"]: one for one in ask(snapped.connection, "queue/drain", (START, end), clusters=CHOSEN)}
    assert {zone: one["verdict"] for zone, one in found.items()} == {
        "bulk": "grows",
        "default": "drains",
        "none": "stays",
    }
    for zone, one in found.items():
        minutes = [(time - end).total_seconds() / 60 for time in times]
        slope = statistics.linear_regression(minutes, [counts[zone][time] for time in times]).slope
        assert one["per_minute"] == pytest.approx(slope)
        assert one["waiting"] == counts[zone][end]
    assert found["default"]["empty_in"] == pytest.approx(60 * counts["default"][end] / 4)
    assert found["bulk"]["empty_in"] is None
    assert found["bulk"]["deferred"] == 2 * (10 + 5 * 60)


def test_a_zone_that_is_empty_now_says_so(snapped: House) -> None:
    """An empty zone has the verdict `empty`, and ten minutes without a snapshot give no rows."""
    found = {one["zone"]: one for one in ask(snapped.connection, "queue/drain", SPAN, clusters=CHOSEN)}
    assert (found["default"]["verdict"], found["default"]["waiting"]) == ("empty", 0)
    later = (START, SPAN[1] + timedelta(minutes=10))
    assert ask(snapped.connection, "queue/drain", later, clusters=CHOSEN) == []
    assert ask(snapped.connection, "queue/domains", later, clusters=CHOSEN) == []


def test_without_deferrals_there_is_one_bar_that_says_so(snapped: House) -> None:
    """Grafana's bar chart takes a result without rows for an error."""
    found = ask(snapped.connection, "queue/attempts", SPAN, clusters=CHOSEN)
    assert found == [{"attempt": "no deferrals", "deferrals": 0}]


def test_few_snapshots_give_no_verdict(snapped: House) -> None:
    """Snapshots of nine minutes give the verdict `too early to say`."""
    found = ask(snapped.connection, "queue/drain", (START, START + timedelta(minutes=8)), clusters=CHOSEN)
    assert {one["verdict"] for one in found} == {"too early to say"}


def test_destinations_are_compared_with_an_hour_before(snapped: House) -> None:
    """Each destination has its count, age and change since an hour before, the largest first."""
    counts: Counter[tuple[str, datetime]] = Counter()
    for row in OURS:
        if row.domain is not None:
            counts[row.domain, row.time] += row.messages
    before = LAST - timedelta(hours=1)
    found = ask(snapped.connection, "queue/domains", SPAN, clusters=CHOSEN)
    assert [one["domain"] for one in found] == ["large.example", "middle.example", "small.example"]
    for place, one in enumerate(found):
        domain = one["domain"]
        assert one["waiting"] == one["deferred"] == counts[domain, LAST]
        assert one["change"] == counts[domain, LAST] - counts[domain, before]
        assert one["oldest"] == (LAST - START + timedelta(minutes=place)).total_seconds()
    over_time = ask(snapped.connection, "queue/domains_over_time", SPAN, clusters=CHOSEN)
    assert {(one["metric"], one["time"]): one["recipients"] for one in over_time} == counts


class Mail(NamedTuple):
    """The columns of `mail_events` that these panels need."""

    time: datetime
    cluster: str
    event_id: str
    action: str
    direction: str
    recipients: int
    source: str
    received_at: datetime


def mail(start: datetime, hours: int) -> list[Mail]:
    """Return a row every 20 s: messages of one to three recipients, and their recipients' events."""
    rows = []
    for index in range(hours * 180):
        action = ("queued", "delivered", "deferred", "bounced", "deleted", "released", "refused")[index % 7]
        rows.append(
            Mail(
                time=start + timedelta(seconds=20 * index),
                cluster=("default", "it's", "elsewhere")[index % 5 % 3],
                event_id=f"{index:x}:{action}",
                action=action,
                direction="dsn" if index % 11 == 0 else "outbound",
                recipients=1 + index % 3 if action == "queued" else 1,
                source="plugin",
                received_at=start,
            )
        )
    return rows


@pytest.mark.usefixtures("our_jobs")
@pytest.mark.parametrize(
    ("days_ago", "hours", "interval", "width"),
    [(1, 3, "30s", 30), (1, 3, "5m", 300), (1, 8, "15m", 900), (100, 8, "2h", 7200)],
)
def test_arrivals_and_departures_are_those_of_the_events(
    house: House, days_ago: int, hours: int, interval: str, width: int
) -> None:
    """Each bin has the recipients that arrived and that left, at each roll-up; a deferral is neither."""
    now = datetime.now(tz=UTC)
    start = bin_of(now - timedelta(days=days_ago), timedelta(hours=2))
    rows = mail(start, hours)
    with house.connection.cursor() as cursor:
        insert(cursor, "mail_events", rows)
        cursor.execute("INSERT INTO touched_buckets SELECT DISTINCT time FROM mail_events")
    house.roll_up(start + timedelta(hours=hours))
    arrived: Counter[datetime] = Counter()
    left: Counter[datetime] = Counter()
    for row in rows:
        at = bin_of(row.time, timedelta(seconds=width))
        if row.cluster in CHOSEN and row.direction == "outbound" and row.action not in {"deferred", "refused"}:
            (arrived if row.action == "queued" else left)[at] += row.recipients
    span = (start, start + timedelta(hours=hours))
    found = ask(house.connection, "queue/in_and_out", span, interval=interval, clusters=CHOSEN)
    assert {one["time"]: (one["arrived"], one["left"]) for one in found} == {
        at: (arrived[at], left[at]) for at in arrived.keys() | left.keys()
    }


class Deferral(NamedTuple):
    """The columns of `mail_events` that the panel of retried destinations needs."""

    time: datetime
    cluster: str
    event_id: str
    action: str
    direction: str
    recipient_domain: str | None
    attempt: int | None
    next_attempt: datetime | None
    reason: str | None
    response_pattern: str | None
    source: str
    received_at: datetime


def deferrals(end: datetime, chance: random.Random) -> list[Deferral]:
    """Return rows of the two hours before `end`, among them other actions and mail without a sender."""
    rows = []
    for index in range(600):
        time = end - timedelta(seconds=12 * index + 1)
        rows.append(
            Deferral(
                time=time,
                cluster=chance.choice([*CHOSEN, "elsewhere"]),
                event_id=f"{index:x}:deferred",
                action=chance.choice(["deferred", "deferred", "bounced"]),
                direction=chance.choice(["outbound", "outbound", "dsn"]),
                recipient_domain=chance.choice([None, "a.example", "b.example", "c.example"]),
                attempt=chance.choice([None, 1, 2, 7]),
                next_attempt=chance.choice([None, time + timedelta(minutes=chance.randrange(90))]),
                reason=chance.choice([None, "greylisted", "rate_limited", "policy"]),
                response_pattern=chance.choice([None, "450 later", "451 <busy>"]),
                source="plugin",
                received_at=time,
            )
        )
    return [
        *rows,
        rows[0]._replace(
            event_id="silent",
            action="deferred",
            cluster="default",
            direction="outbound",
            recipient_domain="silent.example",
            attempt=None,
            next_attempt=None,
            reason=None,
            response_pattern=None,
        ),
    ]


def test_retried_destinations_are_those_of_the_events(house: House) -> None:
    """Each destination has the counts, highest attempt, main reason and newest reply of the hour's deferrals."""
    end = datetime.now(tz=UTC).replace(microsecond=0)
    rows = deferrals(end, random.Random(7))
    with house.connection.cursor() as cursor:
        insert(cursor, "mail_events", rows)
    groups: defaultdict[str, list[Deferral]] = defaultdict(list)
    for row in rows:
        mine = row.cluster in CHOSEN and (row.action, row.direction) == ("deferred", "outbound")
        if mine and row.time > end - timedelta(hours=1):
            groups[row.recipient_domain or "unknown"].append(row)
    expected: list[dict[str, Any]] = []
    for domain, group in groups.items():
        reasons = Counter(row.reason for row in group if row.reason)
        replies = [row for row in group if row.response_pattern]
        expected.append(
            {
                "domain": domain,
                "deferrals": len(group),
                "attempts": max((row.attempt for row in group if row.attempt), default=None),
                "next": max((row.next_attempt for row in group if row.next_attempt), default=None),
                "reason": min(reasons, key=lambda reason: (-reasons[reason], reason), default=None),
                "pattern": max(replies, key=lambda row: row.time).response_pattern if replies else None,
            }
        )
    expected.sort(key=lambda row: (-(row["attempts"] or 0), -row["deferrals"], row["domain"]))
    assert len(expected) == 5
    span = (end - timedelta(hours=3), end)
    assert ask(house.connection, "queue/retried", span, clusters=CHOSEN) == expected
    short = (end - timedelta(minutes=10), end)
    found = ask(house.connection, "queue/retried", short, clusters=CHOSEN)
    assert sum(row["deferrals"] for row in found) == sum(
        row.time > end - timedelta(minutes=10) for group in groups.values() for row in group
    )
