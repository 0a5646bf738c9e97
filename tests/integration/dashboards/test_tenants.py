"""*Tenants*: each number equals the count of the same rows in Python."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.contract.more_rows import insert
from tests.integration.dashboards.asking import ask, bin_of

if TYPE_CHECKING:
    from tests.integration.house import House

CHOSEN = ("default", "it's")
HOURS = 6
OUTCOMES = ("delivered", "deferred", "bounced")

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("our_jobs")]


class Mail(NamedTuple):
    """The columns of `mail_events` that these panels need."""

    time: datetime
    cluster: str
    event_id: str
    action: str
    direction: str
    sender_domain: str | None
    provider: str | None
    reason: str | None
    recipients: int
    source: str
    received_at: datetime


def mail(start: datetime) -> list[Mail]:
    """Return a row every 10 s: two large sending domains, a small one, and mail without a sender."""
    rows = []
    for index in range(HOURS * 360):
        action = ("queued", "delivered", "delivered", "deferred", "bounced")[index % 5]
        domain = ("shop.example", "news.example", None)[index % 7 % 3]
        rows.append(
            Mail(
                time=start + timedelta(seconds=10 * index),
                cluster=("default", "it's", "elsewhere")[index % 9 % 3],
                event_id=f"{index:x}:{action}",
                action=action,
                direction="dsn" if index % 13 == 0 else "outbound",
                sender_domain="small.example" if index % 101 == 0 else domain,
                provider=("google", None)[index % 2] if action in OUTCOMES else None,
                reason=("unknown_user", "reputation")[index % 4 % 2] if action in {"deferred", "bounced"} else None,
                recipients=1 + index % 3 if action == "queued" else 1,
                source="plugin",
                received_at=start,
            )
        )
    return rows


def filled(house: House, days_ago: int) -> tuple[list[Mail], tuple[datetime, datetime]]:
    """Insert six hours of mail, build the roll-ups, and return the rows that the panels count, and the range."""
    start = bin_of(datetime.now(tz=UTC) - timedelta(days=days_ago), timedelta(hours=6))
    rows = mail(start)
    with house.connection.cursor() as cursor:
        insert(cursor, "mail_events", rows)
        cursor.execute("INSERT INTO touched_buckets SELECT DISTINCT time FROM mail_events")
    house.roll_up(start + timedelta(hours=HOURS))
    counted = [row for row in rows if row.cluster in CHOSEN and row.direction == "outbound"]
    return counted, (start, start + timedelta(hours=HOURS))


def share(counts: Counter[str]) -> float | None:
    """Return the share of bounces among finished recipients, None for fewer than 100."""
    ended = counts["delivered"] + counts["bounced"]
    return counts["bounced"] / ended if ended >= 100 else None


@pytest.mark.parametrize("days_ago", [1, 100])
def test_each_domain_is_counted_as_its_events_are(house: House, days_ago: int) -> None:
    """Each domain has the counts of its events at either roll-up, and no share for fewer than 100 recipients."""
    rows, span = filled(house, days_ago)
    expected: dict[str, Counter[str]] = {}
    for row in rows:
        expected.setdefault(row.sender_domain or "none", Counter())[row.action] += 1
    found = {one["domain"]: one for one in ask(house.connection, "tenants/domains", span, clusters=CHOSEN)}
    assert found.keys() == expected.keys()
    for domain, one in found.items():
        counts = expected[domain]
        assert (one["sent"], one["delivered"]) == (counts["queued"], counts["delivered"])
        assert (one["deferred"], one["bounced"]) == (counts["deferred"], counts["bounced"])
        assert one["ended"] == counts["delivered"] + counts["bounced"]
        assert one["failed_share"] == (None if share(counts) is None else pytest.approx(share(counts)))
    assert found["small.example"]["failed_share"] is None
    assert found["shop.example"]["failed_share"] is not None
    offered = ask(house.connection, "tenants/domains_to_choose", span, clusters=CHOSEN)
    assert [one["__value"] for one in offered] == ["all", *sorted(expected)]


@pytest.mark.parametrize("tenant", ["all", "shop.example", "none"])
def test_a_chosen_domain_is_shown_alone(house: House, tenant: str) -> None:
    """Totals, charts, providers and reasons count only the chosen domain; `none` is mail without a sender."""
    rows, span = filled(house, 1)
    chosen = [row for row in rows if tenant in {"all", row.sender_domain or "none"}]
    counts = Counter(row.action for row in chosen)
    (totals,) = ask(house.connection, "tenants/totals", span, clusters=CHOSEN, text=tenant)
    assert {name: totals[name] for name in OUTCOMES} == {name: counts[name] for name in OUTCOMES}
    assert totals["sent"] == counts["queued"]
    assert totals["failed_share"] == pytest.approx(share(counts))

    found = ask(house.connection, "tenants/outcomes", span, interval="30m", clusters=CHOSEN, text=tenant)
    assert {(one["time"], one["metric"]): one["recipients"] for one in found} == Counter(
        (bin_of(row.time, timedelta(minutes=30)), row.action) for row in chosen if row.action in OUTCOMES
    )
    for query, action, number in (
        ("tenants/bounces_by_domain", "bounced", "recipients"),
        ("tenants/deferrals_by_domain", "deferred", "attempts"),
    ):
        found = ask(house.connection, query, span, interval="30m", clusters=CHOSEN, text=tenant)
        assert {(one["time"], one["metric"]): one[number] for one in found} == Counter(
            (bin_of(row.time, timedelta(minutes=30)), row.sender_domain or "none")
            for row in chosen
            if row.action == action
        )
    found = ask(house.connection, "tenants/providers", span, clusters=CHOSEN, text=tenant)
    assert {(one["provider"], name): one[name] for one in found for name in OUTCOMES} == Counter(
        (row.provider or "none", row.action) for row in chosen if row.action in OUTCOMES
    )
    found = ask(house.connection, "tenants/reasons", span, clusters=CHOSEN, text=tenant)
    assert {(one["action"], one["reason"]): one["recipients"] for one in found} == Counter(
        (row.action, row.reason) for row in chosen if row.reason is not None
    )


def test_a_domain_that_is_called_like_sql_selects_nothing(house: House) -> None:
    """A domain that contains SQL is only a value, and returns no rows."""
    _, span = filled(house, 1)
    assert ask(house.connection, "tenants/domains", span, clusters=CHOSEN, text="x') OR ('1'='1") == []
