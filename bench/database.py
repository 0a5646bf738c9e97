"""The benchmark's access to the table: check its schema, empty it, fill it by COPY, wait for rows."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import psycopg

from collector.events.model.event import COLUMNS
from collector.store.writing.copy_text import COPY_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

INDEXES = {
    "mail_events_identity", "mail_events_time", "mail_events_message_id", "mail_events_recipient_time",
    "mail_events_fbl_id",
    "mail_events_complaints", "mail_events_failures",
}  # fmt: skip
BUILT_FROM_IT = (
    "mail_stats_15s", "mail_stats_5m", "mail_stats_1h", "domain_stats_5m", "domain_stats_1h", "touched_buckets",
    "stale_buckets",
    "mail_stats_15s_erased", "mail_stats_5m_erased", "domain_stats_5m_erased",
    "attempt_stats_5m", "attempt_stats_1h", "recipient_stats_1h", "pattern_stats_1h", "reply_patterns",
    "attempt_stats_5m_erased", "recipient_stats_1h_erased", "pattern_stats_1h_erased", "attempt_stats_1d",
    "provider_stats_5m", "provider_stats_1h", "recipient_stats_1d", "zone_stats_5m", "zone_stats_1h",
)  # fmt: skip
POLL_SECONDS = 0.01
DEADLINE_SECONDS = 120.0


class Table:
    """The table `mail_events`, over one connection."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)

    def assert_whole(self) -> dict[str, str]:
        """Assert that the table has every column and index and is not made faster by settings.
        Return those settings.
        """
        columns = self._connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'mail_events'::regclass AND attnum > 0 "
            "AND NOT attisdropped"
        )
        assert {name for (name,) in columns} == set(COLUMNS)
        indexes = self._connection.execute(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'mail_events'::regclass AND indisvalid"
        )
        assert {name for (name,) in indexes} == INDEXES
        logged = self._connection.execute(
            "SELECT relpersistence FROM pg_class WHERE relname = 'mail_events'"
        ).fetchone()
        assert logged == ("p",)
        names = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "server_version")
        settings = {name: str(self._scalar("SELECT current_setting(%s)", name)) for name in names}
        assert settings["fsync"] == settings["synchronous_commit"] == settings["full_page_writes"] == "on"
        return settings

    def clear(self) -> None:
        """Empty the table, so that a round does not pay for the writes of the one before."""
        emptying = f"TRUNCATE mail_events, {', '.join(BUILT_FROM_IT)}".encode()
        while True:
            # The collector's jobs write to these tables at the same time, in another order.
            with contextlib.suppress(psycopg.errors.DeadlockDetected):
                self._connection.execute(emptying)
                break
        self._connection.execute("CHECKPOINT")

    def copy(self, pieces: Sequence[bytes], rows: int) -> float:
        """Write prepared rows by COPY in one transaction. Return rows a second."""
        began = time.monotonic()
        with self._connection.cursor() as cursor, cursor.copy(COPY_EVENTS) as copy:
            for piece in pieces:
                copy.write(piece)
        seconds = time.monotonic() - began
        self.assert_rows(rows)
        return rows / seconds

    def wait_for(self, last_ids: Sequence[str], rows: int) -> float:
        """Wait until all `rows` are committed. Return the time (CLOCK_MONOTONIC).

        First wait for the last events by index, which costs the server little. Then count the table.
        """
        deadline = time.monotonic() + DEADLINE_SECONDS
        for event_id in last_ids:
            while not self._scalar("SELECT EXISTS (SELECT FROM mail_events WHERE event_id = %s)", event_id):
                assert time.monotonic() < deadline, "acknowledged, but not stored"
                time.sleep(POLL_SECONDS)
        while True:
            seen = time.monotonic()
            if self._scalar("SELECT count(*) FROM mail_events") == rows:
                return seen
            assert seen < deadline, "acknowledged, but not stored"

    def assert_rows(self, expected: int) -> None:
        """Assert the number of rows in the table."""
        found = self._scalar("SELECT count(*) FROM mail_events")
        assert found == expected, f"{found} rows, not {expected}"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _scalar(self, statement: str, *arguments: object) -> object:
        row = self._connection.execute(statement, arguments).fetchone()
        assert row is not None
        return row[0]
