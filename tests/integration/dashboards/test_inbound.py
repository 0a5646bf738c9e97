"""*Inbound & logins*: each number equals the count of the same rows in Python."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.contract.more_rows import Inbound, inbound, insert, logins
from tests.integration.dashboards.asking import ask, bin_of

if TYPE_CHECKING:
    from tests.integration.house import House

CHOSEN = ("default", "it's")
CLUSTERS = (*CHOSEN, "elsewhere")
GOOD_OR_OURS = {"success", "error"}

pytestmark = pytest.mark.servers


def range_of(days_ago: int, hours: int) -> tuple[datetime, datetime]:
    """Return a range of this many hours that begins at a full hour."""
    start = bin_of(datetime.now(tz=UTC) - timedelta(days=days_ago), timedelta(hours=1))
    return start, start + timedelta(hours=hours)


def test_sources_are_ranked_by_failures_of_the_last_day(house: House) -> None:
    """The sources have the failed logins of the last day, each row counted with its number of logins.

    Logins of other clusters and errors of the server do not count.
    """
    span = range_of(3, 30)
    rows = [*logins(span[0], 30 * 180, CLUSTERS)]
    with house.connection.cursor() as cursor:
        insert(cursor, "auth_events", rows)
    seen = [row for row in rows if row.cluster in CHOSEN and span[1] - timedelta(days=1) < row.time <= span[1]]
    found = ask(house.connection, "inbound/logins", span, clusters=CHOSEN)
    expected: Counter[tuple[str, str]] = Counter()
    for row in seen:
        expected[row.protocol, row.result] += row.number
    assert {(one["protocol"], one["result"]): one["logins"] for one in found} == expected
    (one,) = ask(house.connection, "inbound/sources", span, clusters=CHOSEN)
    failures = [row for row in seen if row.source_ip == "203.0.113.9" and row.result not in GOOD_OR_OURS]
    assert one["source"] == "203.0.113.9"
    assert one["failed"] == sum(row.number for row in failures)
    assert one["unknown_user"] == sum(row.number for row in failures if row.result == "unknown_user")
    assert one["succeeded"] == 0
    assert one["protocols"] == ", ".join(sorted({row.protocol for row in failures}))
    assert (one["first"], one["last"]) == (failures[0].time, failures[-1].time)


@pytest.mark.usefixtures("our_jobs")
@pytest.mark.parametrize("days_ago", [1, 100])
def test_stored_mail_and_verdicts_are_those_of_the_events(house: House, days_ago: int) -> None:
    """Stored mail and users' marks equal the events, by bin and in total, at either roll-up."""
    span = range_of(days_ago, 3)
    rows = filled(house, span)
    found = ask(house.connection, "inbound/mail", span, interval="1h", clusters=CHOSEN)
    assert {one["time"]: one["stored"] for one in found} == Counter(
        bin_of(row.time, timedelta(hours=1)) for row in rows if row.action == "stored"
    )
    found = ask(house.connection, "inbound/verdicts", span, interval="1h", clusters=CHOSEN)
    assert {(one["time"], one["metric"]): one["messages"] for one in found} == Counter(
        (bin_of(row.time, timedelta(hours=1)), row.action) for row in rows if row.action != "stored"
    )
    (totals,) = ask(house.connection, "inbound/totals", span, clusters=CHOSEN)
    counts = Counter(row.action for row in rows)
    assert {name: totals[name] for name in counts} == counts
    assert totals["bytes"] == sum(row.size_bytes for row in rows if row.action == "stored")


def test_sending_domains_are_those_of_the_last_hour(house: House) -> None:
    """Each domain has the counts of the last hour, and no share of spam for fewer than 100 messages."""
    span = range_of(1, 3)
    rows = [row for row in filled(house, span) if row.time > span[1] - timedelta(hours=1)]
    expected: dict[str, Counter[str]] = {}
    for row in rows:
        counts = expected.setdefault(row.sender_domain or "none", Counter())
        counts[row.action] += 1
        counts["junk"] += row.category == "junk"
    found = ask(house.connection, "inbound/senders", span, clusters=CHOSEN)
    assert {one["domain"] for one in found} == expected.keys()
    for one in found:
        counts = expected[one["domain"]]
        names = ("stored", "junk", "marked_spam", "marked_ham")
        assert [one[name] for name in names] == [counts[name] for name in names]
        assert one["junk_share"] == (counts["junk"] / counts["stored"] if counts["stored"] >= 100 else None)
    shares = {one["domain"]: one["junk_share"] is not None for one in found}
    assert set(shares.values()) == {True, False}


def filled(house: House, span: tuple[datetime, datetime]) -> list[Inbound]:
    """Insert inbound mail, build its roll-ups, and return the rows of the chosen clusters."""
    number = int((span[1] - span[0]).total_seconds()) // 5
    rows = [
        row._replace(time=span[0] + timedelta(seconds=5 * index))
        for index, row in enumerate(inbound(span[0], number, CLUSTERS))
    ]
    with house.connection.cursor() as cursor:
        insert(cursor, "mail_events", rows)
        cursor.execute("INSERT INTO touched_buckets SELECT DISTINCT time FROM mail_events")
    if not house.builds_itself:
        house.roll_up(span[1])
    return [row for row in rows if row.cluster in CHOSEN]
