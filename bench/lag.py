"""The lag of the roll-ups behind the table while events come at a steady rate."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Awaitable

EVERY_SECONDS = 0.25
SETTLED_LOOKS = 8
RELATIONS = ("mail_stats_15s", "mail_stats_5m")


class Lag:
    """Polls the table and its roll-ups, empty at the start, until the finest roll-up holds all events."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._rows: list[tuple[int, float]] = []
        """Number of events in the table, with the time of the count."""
        self._lags: dict[str, list[float]] = {relation: [] for relation in RELATIONS}

    async def watch(self, load: Awaitable[Any]) -> dict[str, Any]:
        """Return, for each roll-up, the median and maximum age of its oldest missing event, in seconds."""
        sending = asyncio.ensure_future(load)
        deadline = time.monotonic() + 180
        while not sending.done() or not self._has_settled():
            assert time.monotonic() < deadline, "the roll-up does not catch up"
            await asyncio.to_thread(self._look)
            await asyncio.sleep(EVERY_SECONDS)
        await sending
        self._connection.close()
        return {relation: _told(lags) for relation, lags in self._lags.items()}

    def _has_settled(self) -> bool:
        """Return True when no event has come for a while and the finest roll-up holds all events."""
        last = [rows for rows, _ in self._rows[-SETTLED_LOOKS:]]
        return len(set(last)) == 1 and last[-1] > 0 and not any(self._lags[RELATIONS[0]][-SETTLED_LOOKS:])

    def _look(self) -> None:
        # Not the planner's estimate, which lags behind. An index-only count is cheap enough.
        rows, at = self._count("SELECT count(*) FROM mail_events"), time.monotonic()
        self._rows.append((rows, at))
        for relation in RELATIONS:
            rolled = self._rolled(relation)
            if rolled < rows:
                # The first time at which the table had more events than the roll-up holds now.
                since = self._rows[bisect_left(self._rows, (rolled + 1, 0.0))][1]
                self._lags[relation].append(at - since)
            else:
                self._lags[relation].append(0.0)

    def _rolled(self, relation: str) -> int:
        return self._count(f"SELECT coalesce(sum(events), 0) FROM {relation}")  # noqa: S608  # one of ours

    def _count(self, statement: str) -> int:
        row = self._connection.execute(statement.encode()).fetchone()
        assert row is not None
        return int(row[0])


def _told(lags: list[float]) -> dict[str, float]:
    ordered = sorted(lags)
    return {"p50_seconds": round(ordered[len(ordered) // 2], 1), "max_seconds": round(ordered[-1], 1)}
