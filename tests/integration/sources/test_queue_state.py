"""The queue's state is counted from its entries, into the table and the gauges."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from collector.jobs import QueueState
from collector.metrics import Metrics

if TYPE_CHECKING:
    from tests.integration.house import House

pytestmark = pytest.mark.servers

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def fill(house: House, cluster: str, zone: str | None, domain: str, state: str, ages: list[int]) -> None:
    """Insert entries of these ages (seconds)."""
    house.connection.cursor().executemany(
        "INSERT INTO queue_entries (cluster, mongo_id, queue_id, seq, zone, domain, state, queued_at)"
        " VALUES (%s, gen_random_uuid()::text, 'q', '001', %s, %s, %s, %s::timestamptz - make_interval(secs => %s))",
        [(cluster, zone, domain, state, NOW, age) for age in ages],
    )


def test_the_gauges_are_the_queue(house: House) -> None:
    """The gauges show the entries by zone and state, and the age of each zone's oldest, without ended entries."""
    metrics = Metrics()
    job = QueueState(metrics)
    fill(house, "eu1", "bulk", "a.example", "queued", [1, 2])
    fill(house, "eu1", "bulk", "b.example", "deferred", [700])
    fill(house, "us1", None, "a.example", "queued", [30])
    job.run(house.connection, NOW, lambda: False)
    value = metrics.registry.get_sample_value
    where = {"mail_cluster": "eu1", "zone": "bulk"}
    assert value("duckwatch_queue_messages", where | {"state": "queued"}) == 2
    assert value("duckwatch_queue_messages", where | {"state": "deferred"}) == 1
    assert value("duckwatch_queue_oldest_age_seconds", where) == 700
    assert value("duckwatch_queue_oldest_age_seconds", {"mail_cluster": "us1", "zone": "none"}) == 30
    house.connection.execute("DELETE FROM queue_entries WHERE cluster = 'us1'")
    job.run(house.connection, NOW, lambda: False)
    assert value("duckwatch_queue_oldest_age_seconds", {"mail_cluster": "us1", "zone": "none"}) is None


def test_snapshots_hold_the_zones_and_the_busiest_destinations(house: House) -> None:
    """Every fourth run stores a snapshot of the zones and of each cluster's fifty busiest destinations."""
    for number in range(60):
        fill(house, "eu1", "bulk", f"d{number:02}.example", "queued", [1] * (1 + number // 10))
    job = QueueState(Metrics())
    for _ in range(4):
        job.run(house.connection, NOW, lambda: False)
    rows = house.connection.execute(
        "SELECT domain, messages FROM queue_snapshots WHERE domain IS NOT NULL ORDER BY messages DESC, domain"
    ).fetchall()
    assert len(rows) == 50
    assert rows[0] == ("d50.example", 6)
    assert "d00.example" not in {domain for domain, _ in rows}
    zones = house.connection.execute("SELECT zone, messages FROM queue_snapshots WHERE domain IS NULL").fetchall()
    assert zones == [("bulk", 210)] * 4
