"""The job that finds the message of a complaint, and counts the complaint once."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from psycopg.rows import dict_row

from collector.pipeline.listeners import tell
from collector.store.database.commits import Commits
from collector.store.database.connection import scalar
from collector.store.database.sql import query
from collector.store.writing import takeover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    import psycopg

    from collector.metrics.mail import MailMetrics

_Counts: TypeAlias = "Counter[tuple[str, str | None]]"
"""Complaints by cluster and provider."""

LOOKED_FOR: Final = timedelta(days=1)
"""How long a complaint's message is looked for. The complaint comes after the message, but the message's events may
wait in a journal or a spool.
"""

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(hours=1)
"""The wait before a missing message is looked for again. It doubles each time."""

AT_ONCE: Final = 5000
"""How many of the newest unmatched complaints a run reads."""

BUDGET_SECONDS: Final = 2.0
"""The time limit of a run, because the jobs share a thread. The next run continues."""

ROWS_OF_A_MESSAGE: Final = 2000
"""How many rows with the complaint's Message-ID are read."""

_WAYS: Final = ("message_id", "fbl_id")
"""The columns by which a message is looked for: the second one if the first finds none."""


class _LookupTimes(NamedTuple):
    """When a complaint is due again, in monotonic seconds, and how long it waits after that.

    A clock that is set must not delay it.
    """

    due: float
    wait: timedelta


class Complaints:
    """Every 15 seconds: completes complaints with their message's queue id, recipient, zone, sending address and user.

    It sets `duckwatch_mail_complaints_total`: `pending_complaints` holds the complaints that are not counted yet, by
    any collector. `clock` is in monotonic seconds.
    """

    name = "complaints"
    every_seconds = 15

    def __init__(self, count: MailMetrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics, self._clock = count, clock
        self._asked: dict[tuple[Any, ...], _LookupTimes] = {}
        self._commits: Commits[_Counts] = Commits()

    def settle(self, connection: psycopg.Connection) -> None:
        """Count the complaints of a transaction that was committed although the reply to its COMMIT was lost."""
        done = self._commits.settle(connection)
        if done is not None:
            self._count(done)

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Look for the messages of due complaints, one after the other, until the time is up or `is_over`."""
        self._end_searches(connection, now - LOOKED_FOR)
        deadline = time.monotonic() + BUDGET_SECONDS
        for complaint in self._due(_unmatched(connection, now)):
            if is_over() or time.monotonic() > deadline:
                return
            # Note this before the lookup: a complaint that fails must not keep the others from their turn.
            self._asked[_key(complaint)] = self._again(complaint)
            # No lock is held during the lookup: it is slow in compressed chunks, and reconciliation would wait for it.
            found = _message(connection, complaint)
            if found is not None:
                work = partial(_complete, {**complaint, "queue_id": found})
                self._count(self._commits.run(connection, work, partial(_is_completed, complaint)))

    def _end_searches(self, connection: psycopg.Connection, since: datetime) -> None:
        """Count the complaints from `since` or before, whose message was not found, and those that name none."""
        if scalar(connection, query("has_ended_complaints"), since):
            ended: list[tuple[Any, ...]] = []
            work = partial(_end, since, ended)
            self._count(
                self._commits.run(connection, work, lambda connection, _: not _is_any_pending(connection, ended))
            )

    def _count(self, counts: _Counts) -> None:
        tell([self._metrics.complained], counts)

    def _due(self, unmatched: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return the complaints that are new, newest first, then those that are due again. Forget those that are
        matched.
        """
        there = {_key(one): one for one in unmatched}
        self._asked = {key: asked for key, asked in self._asked.items() if key in there}
        again = [(self._asked[key].due, key) for key in there if key in self._asked]
        now = self._clock()
        due = sorted((one for one in again if one[0] <= now), key=lambda one: one[0])
        return [one for key, one in there.items() if key not in self._asked] + [there[key] for _, key in due]

    def _again(self, complaint: Mapping[str, Any]) -> _LookupTimes:
        asked = self._asked.get(_key(complaint))
        wait = FIRST_WAIT if asked is None else asked.wait
        return _LookupTimes(self._clock() + wait.total_seconds(), min(2 * wait, LONGEST_WAIT))


def _unmatched(connection: psycopg.Connection, now: datetime) -> list[dict[str, Any]]:
    return _rows(connection, "unmatched_complaints", {"since": now - LOOKED_FOR, "limit": AT_ONCE})


def _key(complaint: Mapping[str, Any]) -> tuple[Any, ...]:
    return complaint["event_id"], complaint["cluster"], complaint["time"]


def _message(connection: psycopg.Connection, complaint: Mapping[str, Any]) -> str | None:
    """Return the queue id of the one message that the complaint can be about, or None.

    A Message-ID that several messages share identifies none. The same holds for an X-FBL.
    """
    for way in _WAYS:
        if complaint[way] is None:
            continue
        values = {"value": complaint[way], "cluster": complaint["cluster"], "rows": ROWS_OF_A_MESSAGE}
        found = connection.execute(query("messages_by").format(column=way), values).fetchall()
        if found:
            return str(found[0][0]) if len(found) == 1 else None
    return None


def _complete(complaint: Mapping[str, Any], cursor: psycopg.Cursor) -> _Counts:
    """Copy the values of the message's rows into the complaint's row, by keys alone; return what is to be counted."""
    # Take the lock as a writer does: reconciliation and take-overs replace rows of messages.
    cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", (takeover.LOCK_KEY,))
    counts: _Counts = Counter()
    for values in _rows(cursor.connection, "values_of_message", {**complaint, "rows": ROWS_OF_A_MESSAGE}):
        # Only the first of two collectors changes the row.
        if cursor.execute(query("complete_complaint"), {**complaint, **values}).rowcount:
            cursor.execute(query("end_complaint"), complaint)
            counts[complaint["cluster"], values["provider"]] += 1
        cursor.execute(query("touch"), [[complaint["time"]]])
    return counts


def _is_completed(complaint: Mapping[str, Any], connection: psycopg.Connection, transaction: str) -> bool:
    """Return True if this finished transaction wrote the complaint's row."""
    return scalar(connection, query("written_by"), *_key(complaint), transaction) is not None


def _end(since: datetime, ended: list[tuple[Any, ...]], cursor: psycopg.Cursor) -> _Counts:
    """Delete the notes of complaints whose search has ended, and add their keys to `ended`."""
    ended += cursor.execute(query("end_complaints"), {"since": since}).fetchall()
    return Counter((cluster, None) for _, cluster, _ in ended)


def _is_any_pending(connection: psycopg.Connection, ended: list[tuple[Any, ...]]) -> bool:
    """Return True if one of these is not counted yet: then the transaction that ended them was not committed."""
    return scalar(connection, query("pending_complaint"), *map(list, zip(*ended, strict=True))) is not None


def _rows(connection: psycopg.Connection, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query(name), values).fetchall()
