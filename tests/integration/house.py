"""What the tests of roll-ups, retention and jobs share: a store and its job on one database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from collector.config.model import Retention
from collector.jobs import RollUp
from collector.store.store import PostgresStore
from tests.oracle.made_up import NOW

if TYPE_CHECKING:
    from datetime import datetime


class House:
    """A store and the job, on one database."""

    def __init__(self, dsn: str) -> None:
        self.store = PostgresStore(dsn, dsn)
        self.store.prepare()
        self.connection = psycopg.connect(dsn, autocommit=True)

    def roll_up(self, now: datetime = NOW) -> None:
        """As many runs as it takes until nothing is due, each of a collector that has just started: no bucket waits for its minute."""
        deadline = time.monotonic() + 60
        while True:
            RollUp(Retention()).run(self.connection, now, lambda: False)
            if self.connection.execute("SELECT EXISTS (SELECT FROM stale_buckets)").fetchone() == (False,):
                return
            assert time.monotonic() < deadline

    def close(self) -> None:
        """Leaves."""
        self.connection.close()
        self.store.close()
