"""Adds a commit to the counter of logins. It equals the sum of `count` in the rows that this process committed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from collector.events.model.side_tables import AuthEvent
from collector.metrics.labels import MAX_CLUSTERS, BoundedLabel

if TYPE_CHECKING:
    from collector.events.model.batch import WriteResult
    from collector.metrics.catalogue import Metrics


class LoginMetrics:
    """A listener of commits: counts new logins. The writer's thread and the feeds' threads may call it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics, self._cluster = metrics, BoundedLabel(MAX_CLUSTERS)

    def __call__(self, written: WriteResult) -> None:
        """Count the new logins of a commit."""
        sums: Counter[tuple[str, str, str]] = Counter()
        for one in written.new_records:
            if isinstance(one, AuthEvent):
                sums[self._cluster(one.cluster), one.protocol, one.result] += one.count
        for labels, count in sums.items():
            self._metrics.auth_events.labels(*labels).inc(count)
