"""Roll-ups that the collector builds itself, as tables: a bucket with new events is rebuilt whole.

The definitions in `queries/` are also those of TimescaleDB Community's continuous aggregates
(`continuous_aggregates.py`), so that every tier counts alike.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from collector.store.database.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger(__name__)


class Rollup(NamedTuple):
    """One roll-up: `queries/DEFINITION.sql` over `source`, whose time is in `column`.

    If the source is `mail_events`, `erased` names the table with the counts of rows that were deleted by hand
    (`erasure.py`), and `wider` is the definition that adds up roll-ups of that name.
    """

    relation: LiteralString
    definition: str
    source: LiteralString
    column: LiteralString
    erased: LiteralString | None = None
    wider: tuple[str, LiteralString] | None = None


_MAIL: Final[tuple[str, LiteralString]] = ("mail_stats_1h", "mail_stats_5m")
_DOMAIN: Final[tuple[str, LiteralString]] = ("domain_stats_1h", "domain_stats_5m")


class Width(NamedTuple):
    """The roll-ups of one width of bucket, built together.

    `at_a_time` consecutive buckets are built in one transaction. A bucket is built at most once every `pause`, because
    an open bucket of five minutes may hold a million events. `hours` names the hourly width that is built from this
    one. `after` are statements about the range [start, end) that follow in the same transaction.
    """

    name: LiteralString
    step: timedelta
    rollups: tuple[Rollup, ...]
    at_a_time: int
    pause: timedelta
    hours: LiteralString | None = None
    after: tuple[str, ...] = ()


WIDTHS: Final = (
    Width(
        "15s",
        timedelta(seconds=15),
        (Rollup("mail_stats_15s", "mail_stats", "mail_events", "time", "mail_stats_15s_erased", _MAIL),),
        at_a_time=20,
        pause=timedelta(0),
    ),
    Width(
        "5m",
        timedelta(minutes=5),
        (
            Rollup("mail_stats_5m", "mail_stats", "mail_events", "time", "mail_stats_5m_erased", _MAIL),
            Rollup("domain_stats_5m", "domain_stats", "mail_events", "time", "domain_stats_5m_erased", _DOMAIN),
        ),
        at_a_time=12,
        pause=timedelta(minutes=1),
        hours="1h",
    ),
    Width(
        "1h",
        timedelta(hours=1),
        (
            Rollup("mail_stats_1h", "mail_stats_1h", "mail_stats_5m", "bucket"),
            Rollup("domain_stats_1h", "domain_stats_1h", "domain_stats_5m", "bucket"),
        ),
        at_a_time=24,
        pause=timedelta(0),
    ),
)
"""In building order: hours are built from five minutes."""

ERASED_BEFORE: Final = "erased"
"""The row of `retention_horizons` with the time before which events were deleted by hand.

TimescaleDB Community refreshes nothing before that time.
"""

STALE_AT_ONCE: Final = 2000
BUDGET_SECONDS: Final = 2.0
"""How long each width is worked on in one run, so that a long backlog of one does not delay the others."""

REST: Final = 20
"""A bucket that took long to build rests for this many times as long, where its width has a pause at all."""


def select(rollup: Rollup, bucket: sql.Composable, window: sql.Composable) -> sql.Composed:
    """Return the statement that adds up the rows of `window`, by `bucket`."""
    return sql.SQL(query(rollup.definition)).format(bucket=bucket, window=window)


def take_marks(connection: psycopg.Connection) -> None:
    """Turn the marks of writers into buckets to build, where the collector builds all roll-ups.

    Raise `psycopg.Error`.
    """
    connection.execute(query("take_touched"))


class TableBuilder:
    """Builds stale buckets, in one thread, under the jobs' lock. Every method raises `psycopg.Error`."""

    def __init__(self, widths: tuple[Width, ...] = WIDTHS, clock: Callable[[], float] = time.monotonic) -> None:
        self._widths, self._clock = widths, clock
        # By width and bucket: the time until which the bucket is not built again.
        self._rests: dict[str, dict[datetime, float]] = {width.name: {} for width in widths}

    def run(
        self,
        connection: psycopg.Connection,
        kept_from: Mapping[str, datetime],
        is_over: Callable[[], bool],
        *,
        has_chunks: bool = False,
    ) -> int:
        """Build the due buckets, newest first; return the number of buckets built. `take_marks` comes before.

        Stop when all are built, the time is up, or `is_over`. `kept_from` is the start of each width's roll-ups. The
        connection is in autocommit mode.
        """
        built = 0
        for width in self._widths:
            self._forget(connection, width, kept_from[width.name])
            deadline = self._clock() + BUDGET_SECONDS
            for start, end in self._due(connection, width):
                if is_over() or self._clock() > deadline:
                    break
                self._build(connection, width, start, end, has_chunks=has_chunks)
                built += (end - start) // width.step
        return built

    def _forget(self, connection: psycopg.Connection, width: Width, kept_from: datetime) -> None:
        source = width.rollups[0].source
        values = {"width": width.name, "kept_from": kept_from, "source": source}
        forgotten = connection.execute(query("forget_stale"), values).rowcount
        if forgotten:
            log.info("buckets older than their source are not rebuilt", extra={"fields": {"buckets": forgotten}})

    def _due(self, connection: psycopg.Connection, width: Width) -> list[tuple[datetime, datetime]]:
        """Return ranges [start, end) of consecutive buckets, newest first, without those that were built just now."""
        now = self._clock()
        rests = {bucket: until for bucket, until in self._rests[width.name].items() if until > now}
        self._rests[width.name] = rests
        rows = connection.execute(query("stale"), (width.name, STALE_AT_ONCE)).fetchall()
        return in_a_row([bucket for (bucket,) in rows if bucket not in rests], width)

    def _build(
        self, connection: psycopg.Connection, width: Width, start: datetime, end: datetime, *, has_chunks: bool
    ) -> None:
        """Rebuild the buckets of a range in one transaction, so that a reader sees the old ones or the new ones.

        If one of the chunks was dropped meanwhile, leave the buckets to the next run.
        """
        began = self._clock()
        with connection.transaction():
            connection.execute(query("built"), (width.name, start, end))
            for rollup in width.rollups:
                connection.execute(
                    sql.SQL("DELETE FROM {} WHERE bucket >= %s AND bucket < %s").format(
                        sql.Identifier(rollup.relation)
                    ),
                    (start, end),
                )
                names = sql.Identifier(rollup.relation), built(rollup, width, start, end)
                connection.execute(sql.SQL("INSERT INTO {} {}").format(*names))
            window = {"start": start, "end": end}
            if width.hours is not None:
                connection.execute(query("stale_hours"), {"width": width.hours, **window})
            for statement in width.after:
                connection.execute(query(statement), window)
            # Only after the chunks were read: from then on, none of them can be dropped before the commit.
            if has_chunks and connection.execute(query("gone_chunks"), window).rowcount:
                raise psycopg.Rollback
        now = self._clock()
        until = now + max(width.pause.total_seconds(), (now - began) * REST)
        bucket = start
        while bucket < end and width.pause:
            self._rests[width.name][bucket] = until
            bucket += width.step


def bucket_of(step: timedelta, time: sql.Composable) -> sql.Composed:
    """Return the expression for the start of the bucket that holds a time: the floor, counted from the epoch.

    No other place works it out, except `take_touched.sql`, by the same expression. TimescaleDB's `time_bucket` agrees
    for widths that divide a day.
    """
    return sql.SQL("date_bin({}, {}, 'epoch')").format(sql.Literal(step), time)


def built(rollup: Rollup, width: Width, start: datetime, end: datetime) -> sql.Composed:
    """Return the query for the correct content of a roll-up's buckets in a range.

    It is one statement, so that it sees a row either among the events or among the deleted ones.
    """
    column, limits = sql.Identifier(rollup.column), (sql.Literal(start), sql.Literal(end))
    within = sql.SQL("{0} >= {1} AND {0} < {2}")
    rows = select(rollup, bucket_of(width.step, column), within.format(column, *limits))
    if rollup.erased is None or rollup.wider is None:
        return rows
    definition, source = rollup.wider
    both = sql.SQL(
        "WITH {source} AS ({rows} UNION ALL SELECT * FROM {erased} WHERE {window}) SELECT * FROM ({sums}) AS built"
    )
    return both.format(
        source=sql.Identifier(source),
        rows=rows,
        erased=sql.Identifier(rollup.erased),
        window=within.format(sql.Identifier("bucket"), *limits),
        sums=sql.SQL(query(definition)).format(bucket=sql.Identifier("bucket"), window=sql.SQL("true")),
    )


def in_a_row(newest_first: Sequence[datetime], width: Width) -> list[tuple[datetime, datetime]]:
    """Join consecutive buckets to ranges [start, end) of at most `width.at_a_time`, in the given order."""
    ranges: list[tuple[datetime, datetime]] = []
    for bucket in newest_first:
        if ranges and ranges[-1][0] == bucket + width.step and ranges[-1][1] - bucket <= width.step * width.at_a_time:
            ranges[-1] = bucket, ranges[-1][1]
        else:
            ranges.append((bucket, bucket + width.step))
    return ranges
