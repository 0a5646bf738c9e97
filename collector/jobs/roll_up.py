"""The job that keeps the roll-ups equal to the events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store.database.tiers import layout_of
from collector.store.rollups.building import TableBuilder, take_marks
from collector.store.rollups.continuous_aggregates import AggregateBuilder
from collector.store.rollups.erasure import keep_dropped, protect_dropped
from collector.store.rollups.outcomes import OUTCOMES
from collector.store.rollups.policies import CHUNK
from collector.store.rollups.retention import begins, set_back

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from collector.config.model import RetentionSettings


class RollUp:
    """Every few seconds: builds the buckets with new events.

    With TimescaleDB Community, those of `OUTCOMES`, and those that no policy refreshes.
    """

    name = "roll_up"
    every_seconds = 5

    def __init__(self, kept: RetentionSettings) -> None:
        self._kept = kept
        self._tables, self._aggregates = TableBuilder(), AggregateBuilder()
        self._outcomes = TableBuilder(OUTCOMES)

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Build the due buckets within the time limit; the next run continues."""
        kept = self._kept
        set_back(connection, now)  # before marks are forgotten by a horizon that lies in the future
        layout = layout_of(connection)
        wider = dict.fromkeys(("providers_5m", "zones_5m"), begins(now, kept.stats_5m))
        wider |= dict.fromkeys(
            ("attempts_1h", "providers_1h", "zones_1h", "attempts_1d", "recipients_1d"), begins(now, kept.stats_1h)
        )
        if layout.has_aggregates:
            protect_dropped(connection, kept, now, is_over)
            # A policy may be dropping the source's oldest chunk at this moment.
            reach = {"15s": min(kept.stats_15s, kept.raw - CHUNK), "5m": kept.raw - CHUNK, "1h": kept.stats_5m - CHUNK}
            self._aggregates.run(connection, {width: now - far for width, far in reach.items()}, is_over)
            raw = begins(now, kept.raw - CHUNK)
        else:
            if layout.has_chunks and not keep_dropped(connection, is_over):
                return
            take_marks(connection)
            reach = {"15s": kept.stats_15s, "5m": kept.stats_5m, "1h": kept.stats_1h}
            begin = {width: begins(now, far) for width, far in reach.items()}
            self._tables.run(connection, begin, is_over, has_chunks=layout.has_chunks)
            raw = begins(now, kept.stats_5m)
        begin = {"attempts_5m": raw, "outcomes_1h": raw, **wider}
        self._outcomes.run(connection, begin, is_over, has_chunks=layout.has_chunks)
