"""The job that shows how many of TimescaleDB's policies do not work."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from collector.store.rollups.policy_jobs import KINDS, policy_jobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from collector.metrics import Metrics


class Policies:
    """Once a minute: sets `duckwatch_store_broken_policies{policy}`, where TimescaleDB has policies."""

    name = "policies"
    every_seconds = 60

    def __init__(self, metrics: Metrics) -> None:
        self._gauge = metrics.store_broken_policies

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:  # noqa: ARG002  # every job is run alike
        """Count them by kind. A policy that was dropped is not seen here: `migrate` and each start make it again."""
        found = policy_jobs(connection)
        if found is None:
            return
        broken = Counter(one.kind for one in found if one.does_not_work)
        for kind in KINDS:
            self._gauge.labels(kind).set(broken[kind])
