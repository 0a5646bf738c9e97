"""*Bounces and deferrals*: each number equals the count of the same events in Python.

The ranges read each width of roll-up.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest
from psycopg.rows import dict_row

from collector.events.model.batch import Batch
from collector.events.model.event import Action, BounceKind, Direction, MailEvent, Reason
from grafana.queries import load_query
from tests.oracle.made_up import DAY, HOUR, MINUTE, some
from tests.unit.grafana.macros import expand

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.house import House

pytestmark = pytest.mark.servers

CLUSTERS, PROVIDERS = ("eu1",), ("google", "none")
FEW = 100


class Range(NamedTuple):
    """A time range: its hours before the end, and the width of the roll-up (ms) that the queries read."""

    hours: int
    width: int
    interval: str
    bin: int


RANGES = [
    Range(3, 15_000, "1m", MINUTE),
    Range(30, 5 * MINUTE, "10m", 10 * MINUTE),
    Range(240, HOUR, "2h", 2 * HOUR),
]


def made(end: int) -> list[MailEvent]:
    """Return mail of eleven days, most of it of the last hours. One domain accepts nothing, one accepts everything."""
    chance = random.Random(15)
    events = some(5000, end - 90 * MINUTE, end - 1, seed=4) + some(1500, end - 11 * DAY, end - 1, seed=5)
    out = []
    for one in events:
        changes: dict[str, Any] = {}
        if one.action is Action.BOUNCED:
            changes = {"bounce_kind": chance.choice(list(BounceKind))}
        if chance.random() < 0.2 and one.action in {Action.BOUNCED, Action.DEFERRED}:
            changes |= {"recipient_domain": "wall.example"}
        if one.action is Action.DELIVERED:
            changes |= {"recipient_domain": chance.choice(["fine.example", one.recipient_domain])}
        out.append(msgspec.structs.replace(one, **changes))
    chance.shuffle(out)
    return out


@pytest.fixture(scope="module")
def told(shared_house: House) -> tuple[House, list[MailEvent], int]:
    """The events, stored in two parts in random order and rolled up, and the end of their time."""
    end = int(time.time()) * 1000
    events = made(end)
    for part in (events[:1500], events[1500:]):
        shared_house.store.write(Batch(part))
        shared_house.roll_up(datetime.now(tz=UTC))
    shared_house.only_read()
    return shared_house, events, end


def ask(house: House, name: str, end: int, of: Range) -> list[dict[str, Any]]:
    """Return the rows of this query."""
    until = datetime.fromtimestamp(end / 1000, tz=UTC)
    text = expand(
        load_query(name),
        start=until - timedelta(hours=of.hours),
        end=until,
        interval=of.interval,
        values=(*CLUSTERS, *PROVIDERS),
    )
    with house.connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(text.encode()).fetchall()


def chosen(events: Iterable[MailEvent]) -> list[MailEvent]:
    """Return the attempts of outbound mail in the clusters and providers that the viewer chose."""
    return [
        one
        for one in events
        if one.direction is Direction.OUTBOUND
        and one.action in {Action.DELIVERED, Action.DEFERRED, Action.BOUNCED}
        and one.cluster in CLUSTERS
        and (one.provider or "none") in PROVIDERS
    ]


def within(events: Iterable[MailEvent], end: int, of: Range, width: int) -> list[MailEvent]:
    """Return the chosen events of the range, with its whole first bucket."""
    first = (end - of.hours * HOUR) // width * width
    return [one for one in chosen(events) if one.time // width * width >= first]


def failed(events: Iterable[MailEvent]) -> list[MailEvent]:
    """Return the bounces and deferrals among the events."""
    return [one for one in events if one.action is not Action.DELIVERED]


def ms(moment: datetime) -> int:
    """Return a time as epoch milliseconds."""
    return round(moment.timestamp() * 1000)


@pytest.mark.parametrize("of", RANGES)
def test_charts_and_totals_equal_the_events(told: tuple[House, list[MailEvent], int], of: Range) -> None:
    """The totals, each reason's bars and the share without a reason equal the events, at each roll-up."""
    house, events, end = told
    mine = within(events, end, of, of.width)
    count = Counter(one.action for one in mine)
    unexplained = sum(one.reason is Reason.OTHER for one in failed(mine))
    finished = count[Action.DELIVERED] + count[Action.BOUNCED]
    assert min(finished, len(failed(mine))) >= FEW
    assert ask(house, "bounces/totals", end, of) == [
        {
            "finished": finished,
            "bounced": count[Action.BOUNCED],
            "bounced_share": count[Action.BOUNCED] / finished,
            "deferred": count[Action.DEFERRED],
            "unexplained_share": unexplained / len(failed(mine)),
        }
    ]
    for action, unit in ((Action.BOUNCED, "recipients"), (Action.DEFERRED, "attempts")):
        found = {
            (ms(row["time"]), row["metric"]): row[unit] for row in ask(house, f"bounces/{action}_by_reason", end, of)
        }
        assert found == Counter((one.time // of.bin * of.bin, one.reason) for one in mine if one.action is action)
    rows = ask(house, "bounces/unexplained", end, of)
    shares = {ms(row["time"]): (row["without a reason"], row["replies"]) for row in rows}
    assert shares == hourly_shares(failed(mine), of)
    assert shares or of.width == HOUR


def hourly_shares(replies: list[MailEvent], of: Range) -> dict[int, tuple[float, int]]:
    """Return for each bin the share without a reason, and of how many: the hour up to its last bucket with a reply."""
    last: dict[int, int] = {}
    for one in replies:
        bucket = one.time // of.width * of.width
        last[bucket // of.bin * of.bin] = max(bucket, last.get(bucket // of.bin * of.bin, 0))
    shares = {}
    for at, bucket in last.items():
        hour = [one for one in replies if bucket - 59 * MINUTE <= one.time // of.width * of.width <= bucket]
        if len(hour) >= FEW:
            shares[at] = sum(one.reason is Reason.OTHER for one in hour) / len(hour), len(hour)
    return shares


@pytest.mark.parametrize("of", RANGES)
def test_replies_equal_the_events(told: tuple[House, list[MailEvent], int], of: Range) -> None:
    """Each reply pattern has the counts of its events, and is new when no event had it before the last day.

    Events without a reply, and the rest `other`, are no pattern: nobody knows since when, so they are never new.
    """
    house, events, end = told
    known: defaultdict[Any, list[MailEvent]] = defaultdict(list)
    for one in failed(chosen(events)):
        known[one.cluster, one.provider or "none", one.response_pattern, one.reason].append(one)
    here: defaultdict[Any, list[MailEvent]] = defaultdict(list)
    for one in failed(within(events, end, of, HOUR)):
        here[one.cluster, one.provider or "none", one.response_pattern, one.reason].append(one)
    expected = {}
    for key, group in here.items():
        named = key[2] not in {None, "other"}
        first = min(one.time for one in known[key]) if named else None
        count = Counter(one.action for one in group)
        newest = max(group, key=lambda one: (one.time, one.event_id))
        expected[key] = {
            "new": "new" if first is not None and first >= end - DAY else "",
            "bounced": count[Action.BOUNCED],
            "deferred": count[Action.DEFERRED],
            "first": first,
            "last": newest.time,
            "example": newest.event_id.partition(":")[0] if named else None,
        }
    assert {one["new"] for one in expected.values()} == {"", "new"} or of.hours > 24
    assert None in {one["first"] for one in expected.values()}
    rows = ask(house, "bounces/patterns", end, of)
    assert [row["bounced"] + row["deferred"] for row in rows] == sorted(
        (row["bounced"] + row["deferred"] for row in rows), reverse=True
    )
    assert len(rows) == len(expected)
    for row in rows:
        pattern = None if row["pattern"] == "(no reply)" else row["pattern"]
        assert expected[row["cluster"], row["provider"], pattern, row["reason"]] == {
            "new": row["new"],
            "bounced": row["bounced"],
            "deferred": row["deferred"],
            "first": ms(row["first_seen"]) if row["first_seen"] else None,
            "last": ms(row["last_seen"]),
            "example": row["example"],
        }


@pytest.mark.parametrize("of", RANGES)
def test_domains_that_refuse_equal_the_events(told: tuple[House, list[MailEvent], int], of: Range) -> None:
    """Each domain with failures has the counts, main reason and hours of its events, the highest share first."""
    house, events, end = told
    groups: defaultdict[str, list[MailEvent]] = defaultdict(list)
    for one in within(events, end, of, HOUR):
        groups[one.recipient_domain or "unknown"].append(one)
    groups.pop("other", None)
    expected = {domain: group for domain, group in groups.items() if failed(group)}
    rows = ask(house, "bounces/refusing_domains", end, of)
    assert rows[0]["domain"] == "wall.example"
    assert "fine.example" in set(groups) - set(expected)
    assert [row["failed_share"] for row in rows] == sorted((row["failed_share"] for row in rows), reverse=True)
    assert {row["domain"] for row in rows} == set(expected)
    for row in rows:
        group = expected[row["domain"]]
        count = Counter(one.action for one in group)
        reasons = Counter(str(one.reason) for one in failed(group))
        taken = [one.time // HOUR * HOUR for one in group if one.action is Action.DELIVERED]
        assert (row["attempts"], row["delivered"], row["deferred"], row["bounced"]) == (
            len(group), count[Action.DELIVERED], count[Action.DEFERRED], count[Action.BOUNCED]
        )  # fmt: skip
        assert row["failed_share"] == len(failed(group)) / len(group)
        assert row["reason"] == min(reasons, key=lambda reason: (-reasons[reason], reason))
        assert ms(row["first_failure"]) == min(one.time // HOUR * HOUR for one in failed(group))
        assert (ms(row["last_success"]) if row["last_success"] else None) == max(taken, default=None)
        most = "refuses most" if 2 * len(failed(group)) > len(group) else "takes most"
        judged = most if taken else "takes nothing"
        assert row["verdict"] == (judged if len(group) >= FEW else "too little mail to judge")
        assert row["providers"] == ", ".join(sorted({one.provider or "none" for one in group}))
