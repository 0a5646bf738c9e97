"""The job that shows how many accounts and addresses look like targets or sources of password guessing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from collector.store.database.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from collector.metrics import Metrics

WINDOW: Final = timedelta(minutes=10)
ACCOUNT_FAILURES: Final = 10
SOURCE_FAILURES: Final = 20
"""How many failed logins within `WINDOW` make a suspect. An office may share an address, so an address needs more."""


class Suspects:
    """Every 30 seconds: sets `duckwatch_auth_suspects{kind}`, from `auth_events`."""

    name = "suspects"
    every_seconds = 30

    def __init__(self, metrics: Metrics) -> None:
        self._gauge = metrics.auth_suspects

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:  # noqa: ARG002  # every job is run alike
        """Count the suspects."""
        values = {"since": now - WINDOW, "until": now + WINDOW, "account": ACCOUNT_FAILURES, "source": SOURCE_FAILURES}
        for kind, count in connection.execute(query("auth_suspects"), values):
            self._gauge.labels(kind).set(count)
