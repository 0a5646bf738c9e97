"""The job that finds the message of a complaint."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg.rows import dict_row

from collector.store.database.sql import query
from collector.store.writing import takeover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    import psycopg

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


class _Asked(NamedTuple):
    """When a complaint is due again, in monotonic seconds, and how long it waits after that.

    A clock that is set must not delay it.
    """

    due: float
    wait: timedelta


class Complaints:
    """Every 15 seconds: completes complaints with their message's queue id, recipient, zone, sending address and user.

    `clock` is in monotonic seconds.
    """

    name = "complaints"
    every_seconds = 15

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: dict[tuple[Any, ...], _Asked] = {}

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Look for the messages of due complaints, one after the other, until the time is up or `is_over`."""
        deadline = time.monotonic() + BUDGET_SECONDS
        for complaint in self._due(_unmatched(connection, now)):
            if is_over() or time.monotonic() > deadline:
                return
            # Note this before the lookup: a complaint that fails must not keep the others from their turn.
            self._asked[_key(complaint)] = self._again(complaint)
            # No lock is held during the lookup: it is slow in compressed chunks, and reconciliation would wait for it.
            found = _message(connection, complaint)
            if found is not None:
                _tell(connection, {**complaint, "queue_id": found})

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

    def _again(self, complaint: Mapping[str, Any]) -> _Asked:
        asked = self._asked.get(_key(complaint))
        wait = FIRST_WAIT if asked is None else asked.wait
        return _Asked(self._clock() + wait.total_seconds(), min(2 * wait, LONGEST_WAIT))


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


def _tell(connection: psycopg.Connection, complaint: Mapping[str, Any]) -> None:
    """Copy the values of the message's rows into the complaint's row, by keys alone."""
    with connection.transaction():
        # Take the lock as a writer does: reconciliation and take-overs replace rows of messages.
        connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (takeover.LOCK_KEY,))
        for values in _rows(connection, "values_of_message", {**complaint, "rows": ROWS_OF_A_MESSAGE}):
            connection.execute(query("complete_complaint"), {**complaint, **values})
            connection.execute(query("touch"), [[complaint["time"]]])


def _rows(connection: psycopg.Connection, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query(name), values).fetchall()
