"""The benchmark of the dashboards, on few events: its mail is complete and rolled up, and it times every query."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from bench import month
from bench.dashboards import LIMITS, TIMED, TRACE_MS, VIEWERS_MS, Dashboards, over_the_limit
from grafana.asked import Language, questions

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.servers

EVENTS, DAYS = 4_000, 1


@pytest.mark.parametrize("tier", ["postgres", "timescale"])
def test_the_benchmark_measures_every_query(tier: str, request: pytest.FixtureRequest) -> None:
    """The roll-ups hold every event that they count, all indexes are there, and each query has its figures."""
    cluster: PostgresCluster = request.getfixturevalue(tier)
    dsn, fresh = cluster.create_database(), cluster.create_database()
    until = datetime.now(UTC)
    stored = month.fill(dsn, EVENTS, until, DAYS)
    month.build(dsn, until, DAYS)
    month.fill(fresh, 0, until)
    assert abs(stored - EVENTS) < EVENTS / 10
    with psycopg.connect(dsn) as connection, psycopg.connect(fresh) as other:
        for relation in ("mail_stats_15s", "mail_stats_5m", "mail_stats_1h"):
            assert connection.execute(f"SELECT sum(events) FROM {relation}".encode()).fetchone() == (stored,)
        tried = "direction = 'outbound' AND action IN ('delivered', 'deferred', 'bounced')"
        counted = connection.execute(f"SELECT count(*) FROM mail_events WHERE {tried}".encode()).fetchone()
        for relation in (
            "attempt_stats_5m", "attempt_stats_1h", "attempt_stats_1d", "provider_stats_5m", "provider_stats_1h",
            "recipient_stats_1h", "recipient_stats_1d", "zone_stats_5m", "zone_stats_1h",
        ):  # fmt: skip
            assert connection.execute(f"SELECT sum(events) FROM {relation}".encode()).fetchone() == counted
        indexes = b"SELECT indexname FROM pg_indexes WHERE tablename = 'mail_events' ORDER BY 1"
        assert connection.execute(indexes).fetchall() == other.execute(indexes).fetchall()
    dashboards = Dashboards(dsn, until, rounds=1)
    figures = dashboards.measure()
    dashboards.close()
    timed = [one for one in questions() if one.language is Language.SQL and one.dashboard in TIMED]
    assert set(figures["panels_ms"]) == {f"{one.name} {one.title}" for one in timed}
    assert all(set(spans) == set(LIMITS) for spans in figures["panels_ms"].values())
    assert {by: len(panels) for by, panels in figures["trace_ms"].items()} == {
        "queue_id": 3, "message_id": 3, "recipient": 3, "sender": 3,
    }  # fmt: skip
    for database in (dsn, fresh):
        cluster.drop_database(database)


def test_what_is_over_its_limit_is_named() -> None:
    """A figure at its limit is not named, one above it is, and other ranges of the viewers have no limit."""
    fine = {span: {"median": limit.ms} for span, limit in LIMITS.items()}
    slow = {span: {"median": limit.ms + 0.1} for span, limit in LIMITS.items()}
    traces = {by: {"life": {"median": TRACE_MS}} for by in ("queue_id", "message_id")}
    figures = {
        "panels_ms": {"a": fine, "b": slow},
        "trace_ms": traces | {"message_id": {"life": {"median": TRACE_MS + 1}}},
        "viewers_ms": {"24h": {"median": VIEWERS_MS + 1}},
    }
    assert [line.split(":")[0] for line in over_the_limit(figures)] == [
        "b, 24h", "b, 30d", "life by message_id", "20 viewers",
    ]  # fmt: skip
