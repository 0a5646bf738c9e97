"""The job that shows how many messages wait in the queues, and how old the oldest is."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from collector.metrics.labels import MAX_CLUSTERS, MAX_ZONES, BoundedLabel
from collector.store.database.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    import psycopg
    from prometheus_client import Gauge

    from collector.metrics import Metrics

DOMAINS_EVERY: Final = 4
"""Destinations are counted in every fourth run: once a minute."""


class QueueState:
    """Every 15 seconds: writes `queue_snapshots` and sets the gauges, from `queue_entries`.

    To count in MongoDB would take seconds.
    """

    name = "queue_state"
    every_seconds = 15

    def __init__(self, metrics: Metrics) -> None:
        self._messages, self._oldest = _PresentGauge(metrics.queue_messages), _PresentGauge(metrics.queue_oldest_age)
        self._cluster, self._zone = BoundedLabel(MAX_CLUSTERS), BoundedLabel(MAX_ZONES)
        self._runs = 0

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Take one snapshot."""
        zones = connection.execute(query("queue_state")).fetchall()
        domains = []
        if self._runs % DOMAINS_EVERY == 0 and not is_over():
            domains = connection.execute(query("queue_domains")).fetchall()
        self._runs += 1
        with connection.cursor() as cursor:
            cursor.executemany(query("queue_snapshot"), [(now, *row) for row in (*zones, *domains)])
        self._show(zones, now)

    def _show(self, zones: Iterable[tuple[Any, ...]], now: datetime) -> None:
        messages: Counter[tuple[str, ...]] = Counter()
        ages: dict[tuple[str, ...], float] = {}
        for cluster, zone, _, state, count, oldest in zones:
            place = self._cluster(cluster), self._zone(zone)
            messages[(*place, state)] += count
            ages[place] = max(ages.get(place, 0), (now - oldest).total_seconds())
        self._messages.show(messages)
        self._oldest.show({place: max(0, age) for place, age in ages.items()})


class _PresentGauge:
    """A gauge of the present state. Labels without a new value are removed; the other labels stay visible meanwhile."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._shown: set[tuple[str, ...]] = set()

    def show(self, values: Mapping[tuple[str, ...], float]) -> None:
        for labels, value in values.items():
            self._gauge.labels(*labels).set(value)
        for labels in self._shown - values.keys():
            with contextlib.suppress(KeyError):  # the jobs' lead was lost, and all gauges of theirs cleared
                self._gauge.remove(*labels)
        self._shown = set(values)
