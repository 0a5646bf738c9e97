"""The queue's state: the time of the job's two queries with very many queue entries."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg

from collector.jobs import QueueState
from collector.metrics import Metrics
from collector.store.database.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable

FULL_ENTRIES, QUICK_ENTRIES = 1_000_000, 20_000
TIMES = 15

FILL = """
    INSERT INTO queue_entries
        (cluster, mongo_id, queue_id, seq, zone, domain, recipient, state, queued_at, attempts, response)
    SELECT 'bench', md5(n::text), 'q' || n, '001', 'zone' || n %% 20, 'd' || n %% 5000 || '.example',
           'r' || n || '@d.example',
           CASE WHEN n %% 3 = 0 THEN 'deferred' ELSE 'queued' END, now() - n %% 86400 * interval '1 second', n %% 3,
           '451 4.7.1 try again later'
    FROM generate_series(1, %s) n
"""


def measure(dsn: str, entries: int) -> dict[str, Any]:
    """Return the figures. `queue_entries` and `queue_snapshots` are emptied before and afterwards."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE queue_entries, queue_snapshots")
        connection.execute(FILL, [entries])
        connection.execute("VACUUM ANALYZE queue_entries")
        connection.execute("CHECKPOINT")  # else the inserted pages are written during the measurement
        figures = {
            "entries": entries,
            "zones_ms": _ms(lambda: connection.execute(query("queue_state")).fetchall()),
            "destinations_ms": _ms(lambda: connection.execute(query("queue_domains")).fetchall()),
        }
        job = QueueState(Metrics())
        figures["job_ms"] = _ms(lambda: job.run(connection, datetime.now(UTC), lambda: False))
        connection.execute("TRUNCATE queue_entries, queue_snapshots")
    return figures


def _ms(run: Callable[[], object]) -> dict[str, float]:
    taken = []
    for _ in range(TIMES):
        began = time.monotonic()
        run()
        taken.append((time.monotonic() - began) * 1000)
    return {"p50": round(median(taken), 1), "max": round(max(taken), 1)}
