"""Comparison of a sample of the roll-ups' buckets with their events."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple

from psycopg import errors as pg
from psycopg import sql

from collector.store.database.connection import scalar
from collector.store.database.sql import query
from collector.store.rollups.building import WIDTHS, Rollup, Width, built
from collector.store.rollups.outcomes import OUTCOMES
from collector.store.rollups.retention import begins

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    import psycopg

    from collector.config.model import RetentionSettings

BUDGET_SECONDS: Final = 4.0
STATEMENT_MS: LiteralString = "3000"

OF_EACH: Final = 6
"""How many times are drawn from the last day, from everything that is kept, and from the backup sources' events."""

CLOSED: Final = timedelta(minutes=10)
"""A bucket that ended longer ago has been built, or it is marked and left out."""


class BucketComparison(NamedTuple):
    """A range of one roll-up's buckets: the events that it must count, those it counts, and whether any row differs."""

    relation: str
    start: datetime
    end: datetime
    wanted: int
    found: int
    is_different: bool


def compare_buckets(
    connection: psycopg.Connection, kept: RetentionSettings, now: datetime, dice: random.Random
) -> Iterator[BucketComparison]:
    """Yield the comparisons of a sample of closed buckets, until all are compared or the time is up.

    A range costs one read of its events for each roll-up, whatever the size of the table. Raise `psycopg.Error`.
    """
    deadline = time.monotonic() + BUDGET_SECONDS
    moments = _sample(connection, kept, now, dice)
    # The outcomes come last: most of them read an hour of events.
    for rollup, width, start, end in (*_ranges(WIDTHS, moments, kept, now), *_ranges(OUTCOMES, moments, kept, now)):
        if time.monotonic() > deadline:
            return
        try:
            yield from _compared(connection, rollup, width, start, end)
        except pg.QueryCanceled:  # the busiest bucket of a slow server
            return


def _ranges(
    widths: tuple[Width, ...], moments: list[datetime], kept: RetentionSettings, now: datetime
) -> Iterator[tuple[Rollup, Width, datetime, datetime]]:
    """Yield the range of each roll-up that holds a time and can be compared."""
    for moment in moments:
        for width in widths:
            # The 15-second buckets within five minutes are compared together: they count the same events.
            step = max(width.step, WIDTHS[1].step)
            start = datetime.fromtimestamp(moment.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
            if start + step > now - CLOSED or start < begins(now, kept.stats_15s if width.name == "15s" else kept.raw):
                continue
            yield from ((rollup, width, start, start + step) for rollup in width.rollups)


def _sample(
    connection: psycopg.Connection, kept: RetentionSettings, now: datetime, dice: random.Random
) -> list[datetime]:
    """Return times of events, at most one for each five minutes, in the order in which to compare them."""
    horizon = scalar(connection, query("horizon"), "mail_events")
    start = max(
        begins(now, kept.raw) + timedelta(days=1), horizon if isinstance(horizon, datetime) else begins(now, kept.raw)
    )
    spans = [now - timedelta(days=1)] * OF_EACH + [start] * OF_EACH
    asked = [max(start, now - (now - begin) * dice.random()) for begin in spans]
    values = {"asked": asked, "start": start, "end": now - CLOSED, "held": OF_EACH}
    times = [found for (found,) in connection.execute(query("sampled_times"), values) if found is not None]
    dice.shuffle(times)
    return list({int(one.timestamp()) // 300: one for one in times}.values())


def _compared(
    connection: psycopg.Connection, rollup: Rollup, width: Width, start: datetime, end: datetime
) -> Iterator[BucketComparison]:
    statement = sql.SQL(query("differs")).format(
        built=built(rollup, width, start, end),
        relation=sql.Identifier(rollup.relation),
        start=sql.Literal(start),
        end=sql.Literal(end),
    )
    with connection.transaction():
        connection.execute(f"SET LOCAL statement_timeout = {STATEMENT_MS}")
        row = connection.execute(statement).fetchone()
    assert row is not None
    wanted, found, is_different, is_waiting = row
    if not is_waiting:
        yield BucketComparison(rollup.relation, start, end, wanted, found, is_different)
