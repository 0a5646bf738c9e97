"""A database with unusual settings and another schema: events are stored and rolled up as elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import psycopg
import pytest
from psycopg import sql

from collector.config.model import RetentionSettings
from collector.events.model.batch import Batch
from collector.events.model.tally import tally
from collector.jobs import Jobs, RetentionJob, RollUp, Sizes
from collector.metrics import Metrics
from collector.store.database.connection import connect
from collector.store.writing.batch_write import PostgresStore
from tests.oracle.made_up import DAY, some
from tests.oracle.rollups import assert_equal
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collector.jobs.scheduler import Job

pytestmark = pytest.mark.servers

ODD = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kolkata",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "escape_string_warning": "on",
    "extra_float_digits": "0",
    "quote_all_identifiers": "on",
    "search_path": "Mail logs",
    "standard_conforming_strings": "off",
}
NASTY = "Grüße, 鴨 \U0001f986 \\ '\t"


@pytest.fixture
def odd_dsn(any_dsn: str) -> str:
    """Yield a database whose sessions have unusual settings, with TimescaleDB outside the search path."""
    with psycopg.connect(any_dsn, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "Mail logs"')
        database = sql.Identifier(connection.info.dbname)
        for name, value in ODD.items():
            connection.execute(sql.SQL("ALTER DATABASE {} SET {} = {}").format(database, sql.Identifier(name), value))
    return any_dsn


def test_events_are_stored_and_added_up(odd_dsn: str) -> None:
    """Text is stored unchanged, the roll-ups are built, and no job fails."""
    now_ms = int(time.time() * 1000)
    events = some(500, now_ms - DAY, now_ms, seed=7)
    events.append(msgspec.structs.replace(events[0], event_id="nasty:queued", response=NASTY))
    store, metrics = PostgresStore(odd_dsn, odd_dsn), Metrics()
    store.prepare()
    store.prepare()  # as at the next start
    store.write(Batch(events, tally=tally(events)))
    jobs = Jobs(odd_dsn, [], metrics=metrics, now=time.time)
    work: list[Job] = [RollUp(RetentionSettings()), RetentionJob(RetentionSettings()), Sizes(metrics)]
    connection = connect(odd_dsn)

    def is_built() -> bool:
        for job in work:
            jobs.run(job)
        connection.rollback()
        return connection.execute("SELECT count(*) FROM stale_buckets").fetchone() == (0,)

    wait_until(is_built, "nothing is due")
    assert_equal(connection)
    row = connection.execute(
        "SELECT response FROM \"Mail logs\".mail_events WHERE event_id = 'nasty:queued'"
    ).fetchone()
    assert row == (NASTY,)
    store.write(Batch(some(1, now_ms - 50 * DAY, now_ms - 40 * DAY, seed=8)))
    jobs.run(work[1])
    connection.rollback()
    assert connection.execute("SELECT count(*) FROM mail_events").fetchone() == (501,)
    found = metrics.registry.get_sample_value
    assert [found("duckwatch_job_runs_total", {"task": job.name, "result": "failed"}) for job in work] == [None] * 3
    jobs._resign()
    connection.close()
    store.close()
