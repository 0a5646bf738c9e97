"""The job that keeps the dashboards' role within bounds: its long queries end, and what it may read is granted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from collector.store.schema import reader_role

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    import psycopg

log = logging.getLogger(__name__)


class ReaderQueries:
    """`longest`: how long a transaction of the role may last. Its own `statement_timeout` is no bound: a viewer can undo it."""

    name = "reader_queries"
    every_seconds = 10

    def __init__(self, longest: timedelta) -> None:
        self._longest = longest

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:  # noqa: ARG002  # every job is run alike
        """Ends what takes too long; a relation that was made anew (a continuous aggregate in place of a table) is granted again."""
        reader_role.complete(connection)  # first: where sessions may not be ended, the rest fails
        ended = reader_role.end_long_queries(connection, self._longest)
        if ended:
            log.warning("ended sessions of the dashboards' role", extra={"fields": {"sessions": ended}})
