"""The database session of Live: the lock that lets one collector push for all, and the messages of the others to it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from collector.config.renewable import dsn_text
from collector.live.changes import LOST, change_of, messages
from collector.store.database.connection import connect, cut_connection, deadline, scalar, unbound
from collector.store.database.tiers import reach_extension

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import psycopg
    from psycopg import Notify

    from collector.config.renewable import Connectable
    from collector.live.changes import Addition

LOCK_KEY: Final = 0x6C697665  # "live"
CHANNEL: Final = "duckwatch_live"
HANG_SECONDS: Final = 20.0
MAX_MESSAGES: Final = 64
"""Messages of one turn to the collector that pushes, and eight times as many that wait there to be read."""


class Session:
    """One connection, for one thread. A collector that loses it loses the lock, and another takes over.

    Every method raises `psycopg.Error` and `StoreError`.
    """

    def __init__(self, session_dsn: Connectable) -> None:
        self._dsn = session_dsn
        self._connection: psycopg.Connection | None = None
        self._connected_by = ""
        self._is_leader = False
        self._received: deque[str] = deque()
        self._has_lost = False

    def connection(self) -> psycopg.Connection:
        """Return the connection; open it if there is none, or if the connection string has changed."""
        if self._connection is not None and self._connected_by != dsn_text(self._dsn):
            self.close()
        if self._connection is None:
            self._connected_by = dsn_text(self._dsn)
            self._connection = connection = connect(self._connected_by)
            connection.autocommit = True
            connection.add_notify_handler(self._receive)
            with self.limited():
                unbound(connection)
                reach_extension(connection)
        return self._connection

    def limited(self) -> AbstractContextManager[None]:
        """Return a block in which the connection is cut when the database does not answer in time."""
        return deadline(self.connection(), HANG_SECONDS)

    def leads(self) -> bool:
        """Return whether this collector pushes for all. This fetches what the other collectors have sent."""
        connection = self.connection()
        with self.limited():
            if self._is_leader:
                connection.execute("SELECT 1")
            elif scalar(connection, "SELECT pg_try_advisory_lock(%s)", LOCK_KEY):
                # Before the windows are read: then no commit is missing in both.
                connection.execute(f"LISTEN {CHANNEL}")
                self._is_leader = True
        return self._is_leader

    def send(self, changes: Sequence[Addition], *, has_lost: bool) -> None:
        """Send changes to the collector that pushes."""
        texts = [text for change in changes for text in messages(change)]
        if has_lost or len(texts) > MAX_MESSAGES:
            texts = [*texts[:MAX_MESSAGES], LOST]
        if texts:
            with self.limited():
                self.connection().execute(
                    "SELECT count(pg_notify(%s, text)) FROM unnest(%s::text[]) AS text", [CHANNEL, texts]
                )

    def received(self) -> tuple[list[Addition], bool]:
        """Return the changes that other collectors have sent, and whether something of theirs was left out."""
        texts, has_lost = list(self._received), self._has_lost
        self._received.clear()
        self._has_lost = False
        changes = [change_of(text) for text in texts]
        found = [change for change in changes if change is not None]
        return found, has_lost or len(found) < len(changes)

    def abandon(self) -> None:
        """Break off the work of another thread."""
        if self._connection is not None:
            cut_connection(self._connection)

    def close(self) -> None:
        """Close the connection, and give the lock up with it."""
        connection, self._connection, self._is_leader = self._connection, None, False
        self._received.clear()
        if connection is not None:
            connection.close()

    def _receive(self, notify: Notify) -> None:
        if len(self._received) < 8 * MAX_MESSAGES:
            self._received.append(notify.payload)
        else:
            self._has_lost = True
