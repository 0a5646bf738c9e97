"""What the tests of roll-ups, retention and jobs share: a store and its job on one database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from collector.config.model import RetentionSettings
from collector.jobs import RollUp
from collector.store.database.tiers import layout_of
from collector.store.writing.batch_write import PostgresStore
from tests.oracle.made_up import NOW
from tests.oracle.rollups import RELATIONS
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from datetime import datetime


def stop_policies(connection: psycopg.Connection) -> None:
    """Has TimescaleDB's scheduler leave the policies to the test:
    they go by the server's clock, to which events may be months old.
    """
    connection.execute(
        "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000"
    )
    # One may be at its first run.
    running = "SELECT count(*) FROM timescaledb_information.job_stats WHERE job_status = 'Running'"
    wait_until(lambda: connection.execute(running).fetchone() == (0,), "no job runs")


class House:
    """A store and the job, on one database."""

    def __init__(self, dsn: str) -> None:
        self.store = PostgresStore(dsn, dsn)
        self.store.prepare()
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.builds_itself = layout_of(self.connection).has_aggregates
        """TimescaleDB Community, where continuous aggregates and policies do what the collector's jobs do elsewhere."""
        if self.builds_itself:
            stop_policies(self.connection)

    def roll_up(self, now: datetime = NOW) -> None:
        """As many runs as it takes until nothing is due, each of a collector that has just started:
        no bucket waits for its minute.
        """
        if self.builds_itself:
            self._refresh()
        deadline = time.monotonic() + 60
        while True:
            RollUp(RetentionSettings()).run(self.connection, now, lambda: False)
            if self.connection.execute("SELECT EXISTS (SELECT FROM stale_buckets)").fetchone() == (False,):
                return
            assert time.monotonic() < deadline

    def _refresh(self) -> None:
        for relation in RELATIONS:
            self.connection.execute("CALL refresh_continuous_aggregate(%s::regclass, NULL, NULL)", (relation,))

    def close(self) -> None:
        """Leaves."""
        self.connection.close()
        self.store.close()
