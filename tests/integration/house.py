"""The house: a store and a job on one database, for the tests of roll-ups, retention and jobs."""

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
    """Stop TimescaleDB's policies: they use the server's clock, by which the test's events may be months old."""
    connection.execute(
        "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000"
    )
    # A policy may be running for the first time.
    running = "SELECT count(*) FROM timescaledb_information.job_stats WHERE job_status = 'Running'"
    wait_until(lambda: connection.execute(running).fetchone() == (0,), "no job runs")


class House:
    """A store and the job, on one database."""

    def __init__(self, dsn: str) -> None:
        self.store = PostgresStore(dsn, dsn)
        self.store.prepare()
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.builds_itself = layout_of(self.connection).has_aggregates
        """True on TimescaleDB Community, whose continuous aggregates and policies replace the collector's jobs."""
        if self.builds_itself:
            stop_policies(self.connection)

    def roll_up(self, now: datetime = NOW) -> None:
        """Run the roll-up job until nothing is due, each time as just started, so that no bucket
        waits for its minute.
        """
        if self.builds_itself:
            self._refresh()
        deadline = time.monotonic() + 200
        while True:
            RollUp(RetentionSettings()).run(self.connection, now, lambda: False)
            if self.connection.execute("SELECT EXISTS (SELECT FROM stale_buckets)").fetchone() == (False,):
                return
            assert time.monotonic() < deadline

    def _refresh(self) -> None:
        for relation in RELATIONS:
            self.connection.execute("CALL refresh_continuous_aggregate(%s::regclass, NULL, NULL)", (relation,))

    def only_read(self) -> None:
        """Refuse every later write on the connection, so that no test changes what the next test reads."""
        self.connection.execute("SET default_transaction_read_only = on")

    def close(self) -> None:
        """Close the connections."""
        self.connection.close()
        self.store.close()
