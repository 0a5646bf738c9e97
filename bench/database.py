"""The benchmark's side of the database: the table is whole, the table is empty, bare COPY,
and when everything is there.
"""

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
    "mail_events_complaints",
}  # fmt: skip
BUILT_FROM_IT = (
    "mail_stats_15s", "mail_stats_5m", "mail_stats_1h", "domain_stats_5m", "domain_stats_1h", "touched_buckets",
    "stale_buckets",
    "mail_stats_15s_erased", "mail_stats_5m_erased", "domain_stats_5m_erased",
)  # fmt: skip
POLL_SECONDS = 0.01
DEADLINE_SECONDS = 120.0


class Table:
    """`mail_events` over one connection."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)

    def assert_whole(self) -> dict[str, str]:
        """Assert that every column and every index is there, and that nothing was made cheaper;
        return the settings that matter.
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
        """Empty the table, so that no round pays for what the one before left to write."""
        emptying = f"TRUNCATE mail_events, {', '.join(BUILT_FROM_IT)}".encode()
        while True:
            # The collector's jobs write to these tables meanwhile, in an order of their own.
            with contextlib.suppress(psycopg.errors.DeadlockDetected):
                self._connection.execute(emptying)
                break
        self._connection.execute("CHECKPOINT")

    def copy(self, pieces: Sequence[bytes], rows: int) -> float:
        """Bare COPY of prepared rows in one transaction; returns rows a second."""
        began = time.monotonic()
        with self._connection.cursor() as cursor, cursor.copy(COPY_EVENTS) as copy:
            for piece in pieces:
                copy.write(piece)
        seconds = time.monotonic() - began
        self.assert_rows(rows)
        return rows / seconds

    def wait_for(self, last_ids: Sequence[str], rows: int) -> float:
        """Return the time (CLOCK_MONOTONIC) at which all `rows` were seen committed.
        It looks for the bodies sent last by index, which costs the server next to nothing,
        and counts the table only when they are there.
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
        """Assert how many rows there are."""
        found = self._scalar("SELECT count(*) FROM mail_events")
        assert found == expected, f"{found} rows, not {expected}"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _scalar(self, statement: str, *arguments: object) -> object:
        row = self._connection.execute(statement, arguments).fetchone()
        assert row is not None
        return row[0]
