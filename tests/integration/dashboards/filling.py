"""Fills a database of each tier with the recorded traffic and the made-up week, and builds its roll-ups."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from collector.config.model import RetentionSettings
from collector.events.model.batch import Batch
from collector.events.model.event import COLUMNS, MailEvent
from collector.events.model.precedence import slots_of
from collector.events.model.side_tables import HeldEvent
from collector.events.model.tally import tally
from collector.jobs import Reconcile, RollUp
from collector.metrics import Metrics
from collector.metrics.mail import MailMetrics
from collector.store.migrations import migrate
from collector.store.schema.layout import lay_out
from collector.store.schema.reader_role import complete_reader_role
from tests.integration.dashboards.beside import TIMES, beside, inbound
from tests.integration.dashboards.made_week import Week, make_week
from tests.integration.house import House, stop_policies
from tests.oracle.recording import read_recording
from tests.oracle.rollups import RELATIONS
from tests.oracle.serving import ReplayCollector
from tests.oracle.stamps import shift
from tests.oracle.wire import plugin_body

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.servers.community import Community
    from tests.servers.given import GivenCommunity

RECORDED = "recorded"
"""The cluster of the recorded traffic."""


@dataclass(frozen=True)
class Mail:
    """The mail that is written to each database. All of it is before `end` (epoch ms)."""

    end: int
    recorded: list[MailEvent]
    week: Week

    @property
    def rows(self) -> list[MailEvent]:
        """Return the rows that `mail_events` has after the filling."""
        return [*self.recorded, *self.week.rows, *inbound(self.end)]


def make_mail(dsn: str, folder: Path) -> Mail:
    """Replay the recording through a collector on this empty database, and make up the week before it."""
    now = time.time_ns() // 1_000_000
    collector = ReplayCollector(folder, dsn, clusters=(RECORDED,))
    collector.start()
    records = shift(read_recording(), now - 60_000)
    for start in range(0, len(records), 100):
        collector.post(plugin_body(records[start : start + 100]), RECORDED)
    collector.wait_settled(len(records))
    assert collector.stop() == 0
    names = [_read(column) for column in COLUMNS]
    with psycopg.connect(dsn) as connection:
        found = connection.execute(f"SELECT {', '.join(names)} FROM mail_events".encode()).fetchall()
    assert len(found) == len(records)
    return Mail(now, [MailEvent(*row) for row in found], make_week(now))


def _read(column: str) -> str:
    if column in TIMES:
        return f"(extract(epoch FROM {column}) * 1000)::bigint"
    return "raw::text" if column == "raw" else column


def fill(dsn: str, mail: Mail) -> psycopg.Connection:
    """Fill a database with the collector's writer, and run its jobs between the punctual and the late events.

    The caller closes the connection.
    """
    house = House(dsn)
    connection = psycopg.connect(dsn, autocommit=True)
    _put_beside(connection, mail)
    held = [HeldEvent.of(event, slots_of(event)[0]) for event in mail.week.held]
    on_time = [*mail.recorded, *mail.week.on_time, *inbound(mail.end)]
    house.store.write(Batch(on_time, tally=tally(on_time), records=held))
    later = datetime.now(UTC) + timedelta(hours=2)  # by then no held event waits for the plugin
    Reconcile({}, journal_age=lambda: None, count=MailMetrics(Metrics(), now=time.time)).run(
        house.connection, later, lambda: False
    )
    house.roll_up(datetime.now(UTC))
    house.store.write(Batch(mail.week.late, tally=tally(mail.week.late)))
    house.roll_up(datetime.now(UTC))
    house.close()
    _assert_holds(connection, mail)
    return connection


def fill_community(server: Community | GivenCommunity, mail: Mail) -> psycopg.Connection:
    """Fill TimescaleDB Community without the writer: the server has no COPY and accepts one connection only."""
    connection = prepare_community(server)
    _put_beside(connection, mail)
    late = {event.event_id for event in mail.week.late}
    for part in (
        [event for event in mail.rows if event.event_id not in late],
        mail.week.late,
    ):
        _insert(connection, "mail_events", [{name: getattr(event, name) for name in COLUMNS} for event in part])
        connection.execute("INSERT INTO touched_buckets SELECT DISTINCT time FROM mail_events")
        _roll_up_community(connection)
        # Chunks older than two days are compressed, so that late events are written into compressed chunks.
        connection.execute("SELECT compress_chunk(c, true) FROM show_chunks('mail_events', INTERVAL '2 days') AS c")
    _assert_holds(connection, mail)
    return connection


def prepare_community(server: Community | GivenCommunity) -> psycopg.Connection:
    """Make the schema with its aggregates, and the dashboards' role."""
    connection = server.connect(autocommit=True)
    connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    connection.autocommit = False  # migrate commits its own transactions
    migrate(connection)
    connection.autocommit = True
    lay_out(connection, RetentionSettings(), datetime.now(UTC))
    stop_policies(connection)
    complete_reader_role(connection)
    return connection


def _roll_up_community(connection: psycopg.Connection) -> None:
    for relation in RELATIONS:
        connection.execute("CALL refresh_continuous_aggregate(%s::regclass, NULL, NULL)", (relation,))
    deadline = time.monotonic() + 120
    while True:
        RollUp(RetentionSettings()).run(connection, datetime.now(UTC), lambda: False)
        if connection.execute("SELECT EXISTS (SELECT FROM stale_buckets)").fetchone() == (False,):
            return
        assert time.monotonic() < deadline


def _put_beside(connection: psycopg.Connection, mail: Mail) -> None:
    for table, rows in beside(mail.end).items():
        _insert(connection, table, rows)


def _insert(connection: psycopg.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    """Insert 25 rows with each statement, with the values in its text: the Community server has no pipelines."""
    left = list(rows)
    names = list(left[0])
    places = ", ".join("to_timestamp(%s / 1000.0)" if name in TIMES else "%s" for name in names)
    cursor = psycopg.ClientCursor(connection)
    while left:
        part, left = left[:25], left[25:]
        values = ", ".join(cursor.mogrify(f"({places})", list(row.values())) for row in part)
        cursor.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES {values}".encode())


def _assert_holds(connection: psycopg.Connection, mail: Mail) -> None:
    """Assert that the table has exactly the expected rows, after take-overs and late events."""
    found = connection.execute(
        "SELECT event_id, cluster, (extract(epoch FROM time) * 1000)::bigint FROM mail_events"
    ).fetchall()
    assert sorted(found) == sorted((event.event_id, event.cluster, event.time) for event in mail.rows)
