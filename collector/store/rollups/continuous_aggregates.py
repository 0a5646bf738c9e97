"""TimescaleDB Community: roll-ups as continuous aggregates, with the names and columns of the tables they replace.

They are real-time: a query adds the events since the last refresh. Policies refresh them (`policies.py`), and
TimescaleDB itself notes late events.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from collector.store.database.connection import scalar
from collector.store.database.sql import query
from collector.store.rollups.building import (
    BUDGET_SECONDS,
    ERASED_BEFORE,
    STALE_AT_ONCE,
    WIDTHS,
    Rollup,
    Width,
    built,
    select,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
CHUNKS: Final = {"15s": timedelta(days=1), "5m": timedelta(days=1), "1h": timedelta(days=30)}

COMPRESSION: Final = """
ALTER TABLE mail_events SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'cluster, action', timescaledb.orderby = 'event_id, time'
)
"""


def convert(connection: psycopg.Connection) -> list[str]:
    """Replace the tables by continuous aggregates with the same content, and make `mail_events` compressible.

    This runs in the caller's transaction. Return a line for each change.
    """
    connection.execute(query("take_touched"))  # from here on TimescaleDB notes what is written
    connection.execute(query("note_erased"))
    connection.execute(query("no_triggers"))
    for width in WIDTHS:
        for rollup in width.rollups:
            _replace(connection, rollup, width)
    connection.execute(COMPRESSION)
    return [f"{rollup.relation}: a continuous aggregate now" for width in WIDTHS for rollup in width.rollups]


def _replace(connection: psycopg.Connection, rollup: Rollup, width: Width) -> None:
    name, before = sql.Identifier(rollup.relation), sql.Identifier(f"{rollup.relation}_before")
    connection.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(name, before))
    bucket = sql.SQL("time_bucket({}, {})").format(sql.Literal(width.step), sql.Identifier(rollup.column))
    create = sql.SQL(query("make_aggregate")).format(name=name, definition=select(rollup, bucket, sql.SQL("true")))
    connection.execute(create)
    connection.execute(
        "SELECT set_chunk_time_interval(%s::regclass, %s::interval)", (rollup.relation, CHUNKS[width.name])
    )
    columns = _columns(connection, rollup)
    connection.execute(
        sql.SQL("INSERT INTO {} ({columns}) SELECT {columns} FROM {}").format(
            _materialised(connection, rollup), before, columns=columns
        )
    )
    connection.execute(sql.SQL("DROP TABLE {}").format(before))


def _columns(connection: psycopg.Connection, rollup: Rollup) -> sql.Composed:
    """Return the aggregate's columns, in the order of its definition."""
    names = [sql.Identifier(row[0]) for row in connection.execute(query("columns"), (rollup.relation,))]
    return sql.SQL(", ").join(names)


def _materialised(connection: psycopg.Connection, rollup: Rollup) -> sql.Identifier:
    """Return the hypertable behind the aggregate."""
    row = connection.execute(query("materialised"), (rollup.relation,)).fetchone()
    assert row is not None
    return sql.Identifier(*row)


def show_history(connection: psycopg.Connection) -> None:
    """Refresh the last bucket of each aggregate: from then on, a query reads older buckets from it, not from the
    events.
    """
    for width in WIDTHS:
        for rollup in width.rollups:
            last = scalar(connection, sql.SQL("SELECT max(bucket) FROM {}").format(_materialised(connection, rollup)))
            gone = scalar(connection, query("horizon"), rollup.source)
            if last is not None and (gone is None or last >= gone):  # type: ignore[operator]  # both are times
                _refresh(connection, rollup, last, last + width.step)  # type: ignore[arg-type, operator]


class AggregateBuilder:
    """Refreshes the buckets that were stale when the aggregates replaced the tables.

    It builds those that no refresh may reach, because rows of them were deleted by hand. For one thread, under the
    jobs' lock. Methods raise `psycopg.Error`.
    """

    def run(
        self, connection: psycopg.Connection, kept_from: Mapping[str, datetime], is_over: Callable[[], bool]
    ) -> None:
        """Refresh up to a day at a time, newest first, until all is done, the time is up, or `is_over`.

        `kept_from` is, by width, the oldest bucket whose source still exists. The connection is in autocommit mode.
        """
        horizon = scalar(connection, query("horizon"), ERASED_BEFORE)
        erased = horizon if isinstance(horizon, datetime) else None
        connection.execute(query("take_erased"), (erased,))
        for width in WIDTHS:
            source = width.rollups[0].source
            values = {"width": width.name, "kept_from": kept_from[width.name], "source": source}
            connection.execute(query("forget_stale"), values)
            deadline = time.monotonic() + BUDGET_SECONDS
            while not is_over() and time.monotonic() < deadline and self._day(connection, width, erased):
                pass

    def _day(self, connection: psycopg.Connection, width: Width, erased: datetime | None) -> bool:
        """Refresh the newest stale buckets of one day, or build one that lies before `erased`; return False if none is
        stale.
        """
        rows = connection.execute(query("stale"), (width.name, STALE_AT_ONCE)).fetchall()
        if not rows:
            return False
        newest = rows[0][0]
        end = newest + width.step
        if erased is not None and width.rollups[0].erased is not None and newest < erased:
            return _build(connection, width, newest, end)
        start = min(
            bucket
            for (bucket,) in rows
            if bucket >= end - timedelta(days=1)
            and (erased is None or bucket >= erased or width.rollups[0].erased is None)
        )
        for rollup in width.rollups:
            _refresh(connection, rollup, start, end)
        if width.hours is not None:
            connection.execute(query("stale_hours"), {"width": width.hours, "start": start, "end": end})
        connection.execute(query("built"), (width.name, start, end))
        return True


def _build(connection: psycopg.Connection, width: Width, start: datetime, end: datetime) -> bool:
    """Write a bucket into the aggregate's tables, built as on the other tiers; return False if a chunk was dropped
    meanwhile.
    """
    with connection.transaction():
        for rollup in width.rollups:
            behind = _materialised(connection, rollup)
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE bucket >= %s AND bucket < %s").format(behind), (start, end)
            )
            names = behind, _columns(connection, rollup), built(rollup, width, start, end)
            connection.execute(sql.SQL("INSERT INTO {} ({}) {}").format(*names))
        if width.hours is not None:
            connection.execute(query("stale_hours"), {"width": width.hours, "start": start, "end": end})
        connection.execute(query("built"), (width.name, start, end))
        gone = connection.execute(query("gone_chunks"), {"start": start, "end": end}).fetchall()
        if gone:
            raise psycopg.Rollback
    return not gone


def _refresh(connection: psycopg.Connection, rollup: Rollup, start: datetime, end: datetime) -> None:
    connection.execute(
        "CALL refresh_continuous_aggregate(%s::regclass, %s::timestamptz, %s::timestamptz)",
        (rollup.relation, start, end),
    )
