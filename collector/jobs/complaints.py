"""The job that finds the message which a complaint is about."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from psycopg.rows import dict_row

from collector.store import takeover
from collector.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

LOOKED_FOR: Final = timedelta(days=1)
"""A complaint comes after its message; what was not there when it came may be on its way for as long as a journal or a spool waits."""

AT_ONCE: Final = 200
ROWS_OF_A_MESSAGE: Final = 2000
"""So many rows with its Message-ID are looked at."""


class Complaints:
    """Every 15 seconds: queue id, recipient, zone, sending address and user of what an ARF report told of."""

    name = "complaints"
    every_seconds = 15

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:  # noqa: ARG002  # every job is run alike
        """Matches the newest that are unmatched."""
        values = {"since": now - LOOKED_FOR, "limit": AT_ONCE, "rows": ROWS_OF_A_MESSAGE}
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            # As a writer: reconciliation and take-overs move rows of messages about.
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", (takeover.LOCK_KEY,))
            matched = cursor.execute(query("match_complaints"), values).fetchall()
            if matched:
                cursor.executemany(query("tell_complaint"), matched)
                cursor.execute(query("touch"), [list({one["bucket"] for one in matched})])
