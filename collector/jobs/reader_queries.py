"""The job that limits the dashboards' role: it ends long queries, and grants what the role may read."""

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
    """`longest` limits a transaction of the role. The role's `statement_timeout` is none: a viewer can change it."""

    name = "reader_queries"
    every_seconds = 10

    def __init__(self, longest: timedelta) -> None:
        self._longest = longest

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:  # noqa: ARG002  # every job is run alike
        """End transactions that take too long. Grant relations again that were replaced, as a table by an aggregate."""
        reader_role.complete_reader_role(connection)  # first: where sessions may not be ended, the rest fails
        ended = reader_role.end_long_queries(connection, self._longest)
        if ended:
            log.warning(
                "sessions of the dashboards' role took too long and were ended", extra={"fields": {"sessions": ended}}
            )
