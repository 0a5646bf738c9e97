"""The job that shows how many messages wait in the queues, and for how long."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from collector.metrics.labels import MAX_CLUSTERS, MAX_ZONES, BoundedLabel
from collector.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    import psycopg

    from collector.metrics import Metrics

DOMAINS_EVERY: Final = 4
"""Runs: destinations are counted once a minute."""


class QueueState:
    """Every 15 seconds: `queue_snapshots` and the gauges, from `queue_entries`; to count in MongoDB would take seconds."""

    name = "queue_state"
    every_seconds = 15

    def __init__(self, metrics: Metrics) -> None:
        self._messages, self._oldest = metrics.queue_messages, metrics.queue_oldest_age
        self._cluster, self._zone = BoundedLabel(MAX_CLUSTERS), BoundedLabel(MAX_ZONES)
        self._runs = 0

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Takes one snapshot."""
        zones = connection.execute(query("queue_state")).fetchall()
        domains = []
        if self._runs % DOMAINS_EVERY == 0 and not is_over():
            domains = connection.execute(query("queue_domains")).fetchall()
        self._runs += 1
        with connection.cursor() as cursor:
            cursor.executemany(query("queue_snapshot"), [(now, *row) for row in (*zones, *domains)])
        self._show(zones, now)

    def _show(self, zones: Iterable[tuple[Any, ...]], now: datetime) -> None:
        messages: Counter[tuple[str, str, str]] = Counter()
        ages: dict[tuple[str, str], float] = {}
        for cluster, zone, _, state, count, oldest in zones:
            place = self._cluster(cluster), self._zone(zone)
            messages[(*place, state)] += count
            ages[place] = max(ages.get(place, 0), (now - oldest).total_seconds())
        # A zone whose queue is empty is no longer shown as it was.
        self._messages.clear()
        self._oldest.clear()
        for labels, count in messages.items():
            self._messages.labels(*labels).set(count)
        for place, age in ages.items():
            self._oldest.labels(*place).set(max(0, age))
