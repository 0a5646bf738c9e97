"""Judges stored replies again: reads `mail_events` in slices of time, and changes the rows for which today's rules give
another result.

Each slice is one transaction, so that a run may be killed at any moment. The next run continues, because a row that is
right is not changed again. The job `roll_up` builds the buckets that are marked here (docs/storage.md).
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg import sql

from collector.errors import StoreUnavailableError
from collector.events.judgement import Judgement, StoredReply, judge
from collector.events.model.event import Action
from collector.store.database.commits import Commits
from collector.store.database.connection import scalar
from collector.store.database.sessions import open_session
from collector.store.database.sql import query
from collector.store.migrations import require_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import psycopg

SLICE: Final = timedelta(minutes=15)
_AT_ONCE: Final = 2000
"""Rows that are fetched and changed at a time."""

COUNTED: Final = ("reason", "provider", "response_pattern")
"""Columns of a judgement by which the roll-ups count."""


class Change(NamedTuple):
    """A row for which today's rules give another judgement."""

    time: datetime
    event_id: str
    cluster: str
    response: str | None
    before: Judgement
    after: Judgement


class TableSlice(NamedTuple):
    """A part of the table that is done: its start, the number of rows with a reply, and the changes."""

    start: datetime
    rows: int
    changes: list[tuple[Judgement, Judgement]]
    next_end: datetime | None
    """The end of the next slice, or None if none is left."""


class Reclassification:
    """The stored replies of one database."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def run(self, since: timedelta, *, is_dry: bool) -> Iterator[TableSlice]:
        """Judge the events that are younger than `since`, the newest first;
        yield each slice once, when it is committed.

        With `is_dry` nothing is written. Raises `StoreUnavailableError`,
        and `ForeignTableError` beside another program's migrations.
        """
        with open_session(self._dsn) as connection:
            begin, end = _bounds(connection, since)
        commits: Commits[TableSlice] = Commits()
        while end is not None:
            try:
                with open_session(self._dsn) as connection:
                    while end is not None:
                        work = partial(_slice, begin, end, is_dry)
                        done = _read_only(connection, work) if is_dry else commits.run(connection, work)
                        end = done.next_end
                        yield done
            except StoreUnavailableError:
                settled = commits.settle_by(self._dsn)
                if settled is None:
                    raise
                # The reply to this COMMIT was lost, but it happened: the work continues in another session.
                end = settled.next_end
                yield settled


def _bounds(connection: psycopg.Connection, since: timedelta) -> tuple[datetime, datetime | None]:
    """Return the time at which to stop, and the end of the first slice (None if no event is younger than `since`)."""
    require_ours(connection)
    if scalar(connection, "SELECT to_regclass('mail_events')") is None:
        raise StoreUnavailableError("missing_table", "there is no table mail_events")
    begin: Any = scalar(connection, "SELECT now() - %s", since)
    end: Any = scalar(connection, "SELECT max(time) + interval '1 microsecond' FROM mail_events WHERE time > %s", begin)
    return begin, end


def _read_only(connection: psycopg.Connection, work: Callable[[psycopg.Cursor], TableSlice]) -> TableSlice:
    with connection.transaction(), connection.cursor() as cursor:
        return work(cursor)


def _slice(begin: datetime, end: datetime, is_dry: bool, cursor: psycopg.Cursor) -> TableSlice:  # noqa: FBT001  # bound by `partial`
    """Judge the rows of the window [`end` - SLICE, `end`), from `begin` on, in the open transaction."""
    start, rows, changed = max(begin, end - SLICE), 0, list[tuple[Judgement, Judgement]]()
    # With the default limit, TimescaleDB refuses to change a whole compressed chunk.
    cursor.execute(
        "SELECT set_config(name, '0', true) FROM pg_settings"
        " WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'"
    )
    connection = cursor.connection
    with connection.cursor(name="replies") as replies:
        replies.itersize = _AT_ONCE
        limits = {"start": sql.Literal(start), "end": sql.Literal(end)}
        read = iter(replies.execute(sql.SQL(query("stored_replies")).format(**limits)))
        while page := list(islice(read, _AT_ONCE)):
            rows += len(page)
            changes = [change for row in page if (change := _change(row)) is not None]
            if changes and not is_dry:
                _write(connection, changes)
            changed.extend((change.before, change.after) for change in changes)
    last: Any = scalar(connection, "SELECT max(time) FROM mail_events WHERE time < %s AND time >= %s", start, begin)
    next_end = None if last is None else min(start, last + timedelta(microseconds=1))
    return TableSlice(start, rows, changed, next_end)


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
