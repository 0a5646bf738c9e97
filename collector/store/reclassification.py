"""Judges stored replies anew: `mail_events` is read in slices of time, and the rows that today's rules read otherwise are changed.

Each slice is one transaction, so that a run may be killed at any moment: the next one finds what is left, since a row that is
right is not changed again. The roll-ups' job builds the buckets that are marked here (docs/storage.md).
"""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg import sql

from collector.errors import StoreUnavailableError
from collector.events.judgement import Judgement, StoredReply, judge
from collector.events.model.event import Action
from collector.store.database.connection import scalar
from collector.store.database.sessions import session
from collector.store.database.sql import query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import psycopg

SLICE: Final = timedelta(minutes=15)
_AT_ONCE: Final = 2000
"""Rows that are fetched, and changed, at a time."""

COUNTED: Final = ("reason", "provider")
"""Columns of a judgement by which the roll-ups count."""


class Change(NamedTuple):
    """A row that today's rules read otherwise."""

    time: datetime
    event_id: str
    cluster: str
    response: str | None
    before: Judgement
    after: Judgement


class Slice(NamedTuple):
    """A part of the table that is done: where it starts, its rows with a reply, and what changed."""

    start: datetime
    rows: int
    changes: list[tuple[Judgement, Judgement]]


class Reclassification:
    """The stored replies of one database."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def run(self, since: timedelta, *, is_dry: bool) -> Iterator[Slice]:
        """Judge the events that are younger than `since`, the newest first; yield each slice when it is committed.

        With `is_dry` nothing is written. Raises `StoreUnavailableError`.
        """
        with session(self._dsn) as connection:
            if scalar(connection, "SELECT to_regclass('mail_events')") is None:
                raise StoreUnavailableError("missing_table", "there is no table mail_events")
            connection.commit()
            for start, end in _slices(connection, since):
                yield _slice(connection, start, end, is_dry=is_dry)


def _slices(connection: psycopg.Connection, since: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Yield windows [start, end), the newest first, and leave out times without events."""
    begin: Any = scalar(connection, "SELECT now() - %s", since)
    end: Any = scalar(connection, "SELECT max(time) + interval '1 microsecond' FROM mail_events")
    while end is not None and end > begin:
        start = max(begin, end - SLICE)
        yield start, end
        last = scalar(connection, "SELECT max(time) FROM mail_events WHERE time < %s AND time >= %s", start, begin)
        end = None if last is None else min(start, last + timedelta(microseconds=1))  # type: ignore[operator]


def _slice(connection: psycopg.Connection, start: datetime, end: datetime, *, is_dry: bool) -> Slice:
    done = Slice(start, 0, [])
    rows = 0
    connection.commit()
    # Or a compressed chunk could not be written to as a whole.
    connection.execute(
        "SELECT set_config(name, '0', true) FROM pg_settings"
        " WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'"
    )
    with connection.cursor(name="replies") as cursor:
        cursor.itersize = _AT_ONCE
        limits = {"start": sql.Literal(start), "end": sql.Literal(end)}
        read = iter(cursor.execute(sql.SQL(query("stored_replies")).format(**limits)))
        while page := list(islice(read, _AT_ONCE)):
            rows += len(page)
            changes = [change for row in page if (change := _change(row)) is not None]
            if changes and not is_dry:
                _write(connection, changes)
            done.changes.extend((change.before, change.after) for change in changes)
    connection.commit()
    return done._replace(rows=rows)


def _change(row: tuple[Any, ...]) -> Change | None:
    time, event_id, cluster, response, action, mx_host, category, response_in_raw, text_in_raw, is_http, *judged = row
    before = Judgement(*judged)
    whole = (response_in_raw, text_in_raw)
    after = judge(StoredReply(Action(action), mx_host, category, response, whole, is_http, before))
    return None if after == before else Change(time, event_id, cluster, response, before, after)


def _write(connection: psycopg.Connection, changes: list[Change]) -> None:
    times, ids = [change.time for change in changes], [change.event_id for change in changes]
    limits = {"first_time": min(times), "last_time": max(times), "first_id": min(ids), "last_id": max(ids)}
    statement = sql.SQL(query("rejudge")).format(**{name: sql.Literal(value) for name, value in limits.items()})
    keys = [times, ids, [change.cluster for change in changes], [change.response for change in changes]]
    judged = [
        [None if value is None else str(value) for value in column]
        for column in zip(*(change.after for change in changes), strict=True)
    ]
    connection.execute(statement, [*keys, *judged])
    counted = [
        change.time
        for change in changes
        if any(getattr(change.before, name) != getattr(change.after, name) for name in COUNTED)
    ]
    if counted:
        connection.execute(query("touch"), (counted,))
