"""The job that finds the message which a complaint is about."""

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
"""A complaint comes after its message; what was not there when it came may be on its way for as long as a journal or a spool waits."""

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(hours=1)
"""Until a message that was not found is looked for again; twice as long each time."""

AT_ONCE: Final = 5000
"""So many of the newest that are unmatched are looked at."""

BUDGET_SECONDS: Final = 2.0
"""The jobs share a thread: what is left is the next run's."""

ROWS_OF_A_MESSAGE: Final = 2000
"""So many rows with its Message-ID are looked at."""

_WAYS: Final = ("message_id", "fbl_id")
"""By what a message is looked for: by the second if the first finds none."""


class _Asked(NamedTuple):
    """When a complaint is due again (monotonic seconds: the clock that is set must not put it off), and how long it waits after that."""

    due: float
    wait: timedelta


class Complaints:
    """Every 15 seconds: queue id, recipient, zone, sending address and user of what an ARF report told of. `clock` is in monotonic seconds."""

    name = "complaints"
    every_seconds = 15

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: dict[tuple[Any, ...], _Asked] = {}

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Looks for the messages of those that are due, one after the other, until the time is up or `is_over`."""
        deadline = time.monotonic() + BUDGET_SECONDS
        for complaint in self._due(_unmatched(connection, now)):
            if is_over() or time.monotonic() > deadline:
                return
            # Before it is looked for: one that fails must not keep the others from their turn.
            self._asked[_key(complaint)] = self._again(complaint)
            # No lock is held meanwhile: it takes a while among compressed chunks, and what waits for reconciliation waits with it.
            found = _message(connection, complaint)
            if found is not None:
                _tell(connection, {**complaint, "queue_id": found})

    def _due(self, unmatched: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Returns those not asked for yet, the newest first, and then those that are due again; forgets who is not unmatched any more."""
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
    """Returns the queue id of the one message that it can be about. A Message-ID that was used twice says nothing, nor does another's X-FBL."""
    for way in _WAYS:
        if complaint[way] is None:
            continue
        values = {"value": complaint[way], "cluster": complaint["cluster"], "rows": ROWS_OF_A_MESSAGE}
        found = connection.execute(query("messages_by").format(column=way), values).fetchall()
        if found:
            return str(found[0][0]) if len(found) == 1 else None
    return None


def _tell(connection: psycopg.Connection, complaint: Mapping[str, Any]) -> None:
    """Writes what its message's rows say now, by keys alone."""
    with connection.transaction():
        # As a writer: reconciliation and take-overs move rows of messages about.
        connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (takeover.LOCK_KEY,))
        for told in _rows(connection, "told_of_message", {**complaint, "rows": ROWS_OF_A_MESSAGE}):
            connection.execute(query("tell_complaint"), {**complaint, **told})
            connection.execute(query("touch"), [[complaint["time"]]])


def _rows(connection: psycopg.Connection, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query(name), values).fetchall()
