"""Storage: bytes an event, the time to find a message among many, and the roll-up job's time as the table grows."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import psycopg

from bench import corpus
from bench.database import BUILT_FROM_IT
from bench.filling import BASE_EVENTS, BUSIEST, Filling, now_ms
from bench.traces import TRACES
from collector.config.model import RetentionSettings
from collector.jobs import RollUp
from collector.store.database.tiers import layout_of, storage_of
from collector.store.writing.batch_write import PostgresStore
from duckwatch.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Sequence

FRESH_EVENTS = 20_000
FRESH_EVENTS_PER_SECOND = 100
GROWTH_STEPS = 4
TRACED = 100

KEPT = RetentionSettings(raw=timedelta(days=60))
"""Long enough for ten million events, which reach back forty days."""

SIZES: dict[bool, str] = {
    False: "SELECT pg_table_size('mail_events'), pg_indexes_size('mail_events')",
    True: (
        "SELECT sum(table_bytes + coalesce(toast_bytes, 0)), sum(index_bytes) FROM chunks_detailed_size('mail_events')"
    ),
}
"""Has the table chunks? -> query of the bytes of the table and of its indexes."""


class Storage:
    """A database that only the benchmark uses. The events of an earlier run are used again if there are as many."""

    def __init__(self, dsn: str) -> None:
        store = PostgresStore(dsn, dsn, kept=KEPT)
        store.prepare()
        store.close()
        self._connection = psycopg.connect(dsn, autocommit=True, options="-c jit=off")  # as for the dashboards' role
        self._filling = Filling(self._connection)
        self._has_chunks, self._is_community = layout_of(self._connection)

    def measure(self, events: int) -> dict[str, Any]:
        """Fill the table with `events`. Return the figures; on TimescaleDB Community also those of
        compressed chunks.
        """
        figures: dict[str, Any] = {"on": storage_of(self._connection)._asdict(), "events": events}
        if self._filling.found() < events:
            figures |= self._filled(events)
        if not self._is_compressed():
            self._connection.execute("VACUUM ANALYZE mail_events")
            figures |= {"bytes_an_event": self._bytes(), "trace_ms": self._traces()}
        if self._is_community:
            self._compress()
            figures["on_compressed_chunks"] = {"bytes_an_event": self._bytes(), "trace_ms": self._traces()}
        return figures

    def _filled(self, events: int) -> dict[str, Any]:
        """Fill the table. Return the times of the roll-up job meanwhile, if that job builds the roll-ups."""
        if self._scalar("SELECT count(*) FROM plugin_reports"):
            raise DemoError(
                "a collector has written into this database, and the benchmark would empty it: name another one"
            )
        if self._is_community:  # this class compresses the chunks, a policy must not do it during a measurement
            self._connection.execute(
                "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000"
            )
        self._connection.execute("DROP TABLE IF EXISTS bench_base")
        self._connection.execute("TRUNCATE mail_events")
        self._filling.begin(min(events, BASE_EVENTS))
        if self._is_community:
            self._filling.grow(events)
            return {}
        self._connection.execute(f"TRUNCATE {', '.join(BUILT_FROM_IT)}".encode())
        job = [self._roll_up_seconds()]
        for step in range(1, GROWTH_STEPS + 1):
            self._filling.grow(events * step // GROWTH_STEPS)
            job.append(self._roll_up_seconds())
        return {"roll_up_of_fresh_events_ms_as_the_table_grows": [round(seconds * 1000) for seconds in job]}

    def _is_compressed(self) -> bool:
        if not self._is_community:
            return False
        return bool(self._scalar("SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed"))

    def _compress(self) -> None:
        self._connection.execute(
            "SELECT compress_chunk(chunk, if_not_compressed => true) FROM show_chunks('mail_events') AS chunk"
        )
        self._connection.execute("VACUUM ANALYZE mail_events")

    def _bytes(self) -> dict[str, float]:
        row = self._connection.execute(SIZES[self._has_chunks].encode()).fetchone()
        assert row is not None
        rows = self._scalar("SELECT count(*) FROM mail_events")
        table, indexes = (int(size) / rows for size in row)
        raw = self._scalar("SELECT sum(pg_column_size(raw)) FROM bench_base") / self._scalar(
            "SELECT count(*) FROM bench_base"
        )
        together = {
            "table": table,
            "of_it_raw_before_compression": raw,
            "indexes": indexes,
            "together": table + indexes,
        }
        return {name: round(size, 1) for name, size in together.items()}

    def _roll_up_seconds(self) -> float:
        """Return the seconds of a roll-up run over the buckets of the same number of new events."""
        self._connection.execute("DELETE FROM mail_events WHERE time > now() - interval '50 minutes'")
        self._filling.copy(corpus.paced(FRESH_EVENTS, now_ms() - 300_000, FRESH_EVENTS_PER_SECOND))
        self._connection.execute("VACUUM ANALYZE mail_events")
        times = []
        for _ in range(3):
            self._connection.execute("TRUNCATE stale_buckets")
            self._connection.execute(
                "INSERT INTO touched_buckets SELECT DISTINCT date_bin('15 seconds', time, 'epoch') FROM mail_events"
                " WHERE time > now() - interval '50 minutes'"
            )
            began = time.monotonic()
            RollUp(RetentionSettings()).run(self._connection, datetime.now(UTC), lambda: False)
            times.append(time.monotonic() - began)
            assert self._scalar("SELECT count(*) FROM stale_buckets") == 0, "more than one run's work"
        return median(times)

    def _traces(self) -> dict[str, dict[str, float]]:
        traces = {by: self._times(by, self._filling.some(by, TRACED)) for by in TRACES}
        traces["busiest_recipient"] = self._times("recipient", [BUSIEST] * 10)
        return traces

    def _times(self, by: str, values: Sequence[str]) -> dict[str, float]:
        times = []
        for value in values:
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
        """Close the connection."""
        self._connection.close()
