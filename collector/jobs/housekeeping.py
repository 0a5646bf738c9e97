"""The hourly job that deletes old dead letters, old heartbeats, and held messages that never came into a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store.database.sql import query
from collector.store.schema import replica_identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    import psycopg


class Housekeeping:
    """`letters` is how long dead letters are kept."""

    name = "housekeeping"
    every_seconds = 3600

    def __init__(self, letters: timedelta) -> None:
        self._letters = letters

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Delete in slices, each in a transaction. Give a replica identity to tables that lack one."""
        replica_identity.complete_replica_identities(connection)
        connection.execute(query("prune_reports"))
        connection.execute(query("prune_held"))
        while not is_over() and connection.execute(query("prune_letters"), (now - self._letters,)).rowcount:
            pass
