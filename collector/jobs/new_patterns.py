"""The job that shows how many replies of the last hour are of a kind that was not seen in the week before."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from collector.metrics.labels import MAX_CLUSTERS, NONE, BoundedLabel
from collector.store.database.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from collector.metrics import Metrics

HOUR: Final = timedelta(hours=1)
WEEK: Final = timedelta(days=7)


class NewPatterns:
    """Once a minute: sets `duckwatch_mail_new_patterns{mail_cluster,provider}`, from the hourly roll-up by reply.

    It reads no events: its cost depends on the number of patterns of two hours, which is limited.
    """

    name = "new_patterns"
    every_seconds = 60

    def __init__(self, metrics: Metrics) -> None:
        self._gauge, self._cluster = metrics.mail_new_patterns, BoundedLabel(MAX_CLUSTERS)
        self._shown: set[tuple[str, str]] = set()

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:  # noqa: ARG002  # every job is run alike
        """Count them. The gauge stays as it is while the week is not rolled up, because all replies would look new."""
        window = _window(now)
        if connection.execute(query("unbuilt_patterns"), window).fetchone() == (True,):
            return
        # A pair that had patterns once stays, with 0: a series that disappears would end an alert only after minutes.
        counts = Counter(dict.fromkeys(self._shown, 0))
        for cluster, provider, events in connection.execute(query("new_patterns"), window):
            counts[self._cluster(cluster), provider or NONE] += events
        for labels, events in counts.items():
            self._gauge.labels(*labels).set(events)
        self._shown = set(counts)


def _window(now: datetime) -> dict[str, Any]:
    """Return the limits of the last hour and of the week before it, and the hours (buckets) that hold them."""
    since = now - HOUR
    return {
        "now": now,
        "this_hour": _hour_of(now),
        "since": since,
        "hour": _hour_of(since),
        "from": since - WEEK,
        "first_hour": _hour_of(since - WEEK),
    }


def _hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
