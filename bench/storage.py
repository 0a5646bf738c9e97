"""What is stored: bytes an event, how quickly a message is found among many, and what the roll-up job costs as the table grows."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import psycopg

from bench import corpus
from bench.database import BUILT_FROM_IT
from bench.traces import TRACES
from collector.config.model import Retention
from collector.events.model import COLUMNS
from collector.jobs import RollUp
from collector.store.copy import COPY_EVENTS
from collector.store.store import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Sequence

BASE_EVENTS = 100_000
"""Recorded traffic, written by COPY; the rest is the same again, each time with ids and stamps of its own, made in the server."""

FRESH_EVENTS = 20_000
FRESH_EVENTS_PER_SECOND = 100
GROWTH_STEPS = 4
TRACED = 100

_MADE_ANEW = {
    "time": "time - %(shift)s * interval '1 second'",
    "event_id": "lpad(to_hex(('x' || substr(event_id, 1, 11))::bit(44)::bigint - %(shift)s::bigint * 1000), 11, '0') || substr(event_id, 12)",
    "queue_id": "lpad(to_hex(('x' || substr(queue_id, 1, 11))::bit(44)::bigint - %(shift)s::bigint * 1000), 11, '0') || substr(queue_id, 12)",
    "message_id": "%(shift)s || message_id",
    "recipient": "%(shift)s || recipient",
}
_SELECTED = ", ".join(_MADE_ANEW.get(name, name) for name in COLUMNS)
AGAIN = f"INSERT INTO mail_events ({', '.join(COLUMNS)}) SELECT {_SELECTED} FROM base"  # noqa: S608  # our own columns


class Storage:
    """One database that nobody else uses, from which everything is deleted."""

    def __init__(self, dsn: str) -> None:
        store = PostgresStore(dsn, dsn)
        store.prepare()
        store.close()
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._chance = random.Random(1)  # noqa: S311 - the same messages each time

    def measure(self, events: int) -> dict[str, Any]:
        """Fills the table with `events` and returns the figures."""
        self._connection.execute(f"TRUNCATE mail_events, {', '.join(BUILT_FROM_IT)}".encode())
        self._fill_base(min(events, BASE_EVENTS))
        figures: dict[str, Any] = {"events": events, "bytes_an_event": self._bytes()}
        job = [self._roll_up_seconds()]
        for step in range(1, GROWTH_STEPS + 1):
            self._grow(events * step // GROWTH_STEPS)
            job.append(self._roll_up_seconds())
        figures["roll_up_of_fresh_events_ms_as_the_table_grows"] = [round(seconds * 1000) for seconds in job]
        self._connection.execute("VACUUM ANALYZE mail_events")
        figures["trace_ms"] = {by: self._trace(by) for by in TRACES}
        return figures

    def _fill_base(self, events: int) -> None:
        # Older than what the job is timed on.
        until = _now_ms() - 3_600_000
        self._copy(corpus.events(events, until))
        self._connection.execute("CREATE TEMPORARY TABLE base AS SELECT * FROM mail_events")
        self._span = 1 + self._scalar("SELECT extract(epoch FROM max(time) - min(time))::bigint FROM base")
        self._copies = 0

    def _copy(self, made: Sequence[dict[str, Any]]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(COPY_EVENTS) as copy:
            for piece in corpus.rows(corpus.bodies(made, 500), _now_ms()).pieces:
                copy.write(piece)

    def _grow(self, events: int) -> None:
        while self._scalar("SELECT count(*) FROM base") * (self._copies + 1) < events:
            self._copies += 1
            self._connection.execute(AGAIN.encode(), {"shift": self._copies * self._span})

    def _bytes(self) -> dict[str, float]:
        self._connection.execute("VACUUM mail_events")
        rows = self._scalar("SELECT count(*) FROM mail_events")
        heap, indexes = (
            self._scalar("SELECT pg_table_size('mail_events')"),
            self._scalar("SELECT pg_indexes_size('mail_events')"),
        )
        raw = self._scalar("SELECT sum(pg_column_size(raw)) FROM mail_events")
        return {
            "table": round(heap / rows, 1),
            "of_it_raw": round(raw / rows, 1),
            "indexes": round(indexes / rows, 1),
            "together": round((heap + indexes) / rows, 1),
        }

    def _roll_up_seconds(self) -> float:
        """What a run of the job takes to build the buckets of the same fresh events, the table being as large as it is."""
        self._connection.execute("DELETE FROM mail_events WHERE time > now() - interval '50 minutes'")
        self._copy(corpus.paced(FRESH_EVENTS, _now_ms() - 300_000, FRESH_EVENTS_PER_SECOND))
        self._connection.execute("VACUUM ANALYZE mail_events")
        times = []
        for _ in range(3):
            self._connection.execute("TRUNCATE stale_buckets")
            self._connection.execute(
                "INSERT INTO touched_buckets SELECT DISTINCT date_bin('15 seconds', time, 'epoch') FROM mail_events"
                " WHERE time > now() - interval '50 minutes'"
            )
            began = time.monotonic()
            RollUp(Retention()).run(self._connection, datetime.now(UTC), lambda: False)
            times.append(time.monotonic() - began)
            assert self._scalar("SELECT count(*) FROM stale_buckets") == 0, "more than one run's work"
        return median(times)

    def _trace(self, by: str) -> dict[str, float]:
        found = self._connection.execute(
            f"SELECT {by} FROM mail_events TABLESAMPLE SYSTEM (1) WHERE {by} IS NOT NULL LIMIT 20000".encode()  # noqa: S608
        ).fetchall()
        times = []
        for (value,) in self._chance.sample(found, min(TRACED, len(found))):
            began = time.monotonic()
            rows: Sequence[Any] = self._connection.execute(TRACES[by], {by: value}).fetchall()
            times.append((time.monotonic() - began) * 1000)
            assert rows
        cuts = quantiles(times, n=100, method="inclusive")
        return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2), "max": round(max(times), 2)}

    def _scalar(self, statement: str) -> int:
        row = self._connection.execute(statement.encode()).fetchone()
        assert row is not None
        return int(row[0])

    def close(self) -> None:
        """Leaves."""
        self._connection.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
