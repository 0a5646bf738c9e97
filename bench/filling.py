"""Fills a table with many events: recorded traffic by COPY, then copies of it made in the server.

Each copy has new times, ids, recipients, clients and replies, so that it compresses no better than real mail.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from bench import corpus
from collector.events.model.event import COLUMNS
from collector.store.database.connection import scalar
from collector.store.writing.copy_text import COPY_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

BASE_EVENTS = 100_000

BUSIEST = "alice@corp-a.example"
"""The recipient that is the same in every copy, with one in thirty events."""

_MADE_ANEW = {
    "time": "time - %(shift)s * interval '1 second'",
    "event_id": (
        "lpad(to_hex(('x' || substr(event_id, 1, 11))::bit(44)::bigint - %(shift)s::bigint * 1000), 11, "
        "'0') || substr(event_id, 12)"
    ),
    "queue_id": (
        "lpad(to_hex(('x' || substr(queue_id, 1, 11))::bit(44)::bigint - %(shift)s::bigint * 1000), 11, "
        "'0') || substr(queue_id, 12)"
    ),
    "message_id": "'<' || md5(%(shift)s || message_id) || '@' || split_part(message_id, '@', 2)",
    "recipient": (
        f"CASE recipient WHEN '{BUSIEST}' THEN recipient"
        " ELSE substr(md5(%(shift)s || recipient), 1, 10) || '@' || split_part(recipient, '@', 2) END"
    ),
    "response": "response || ' ' || substr(md5(%(shift)s || event_id), 1, 14)",
    "raw": (
        "CASE WHEN raw ? 'md5' THEN raw || jsonb_build_object('md5', substr(md5(%(shift)s || queue_id), 1, 12),"
        " 'src', host('10.0.0.0'::inet + (('x' || md5(%(shift)s || queue_id))::bit(16)::int))) ELSE raw END"
    ),
}
_SELECTED = ", ".join(_MADE_ANEW.get(name, name) for name in COLUMNS)
AGAIN = f"INSERT INTO mail_events ({', '.join(COLUMNS)}) SELECT {_SELECTED} FROM bench_base"  # noqa: S608  # this project's columns


class Filling:
    """Fills an empty `mail_events`.

    The recorded events stay in the table `bench_base`, so that a later run that finds the table filled knows its
    content.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._chance = random.Random(1)  # noqa: S311 - the same messages each time
        self._copies = 0

    def begin(self, events: int) -> None:
        """Write the recorded events, with times older than an hour."""
        self._copies = 0
        self.copy(corpus.events(events, now_ms() - 3_600_000))
        self._connection.execute("CREATE TABLE bench_base AS SELECT * FROM mail_events")

    def found(self) -> int:
        """Return the number of events from an earlier run, 0 if there was none."""
        if scalar(self._connection, "SELECT to_regclass('bench_base')") is None:
            return 0
        self._copies = self._count("mail_events") // self._count("bench_base") - 1
        return self._count("bench_base") * (self._copies + 1)

    def copy(self, made: Sequence[dict[str, Any]]) -> None:
        """Write events by COPY."""
        pieces = corpus.rows(corpus.bodies(made, 500), now_ms()).pieces
        with self._connection.cursor() as cursor, cursor.copy(COPY_EVENTS) as copy:
            for piece in pieces:
                copy.write(piece)

    def grow(self, events: int) -> None:
        """Add copies until the table has `events` rows."""
        base = self._count("bench_base")
        while base * (self._copies + 1) < events:
            self._copies += 1
            self._connection.execute(AGAIN.encode(), {"shift": self._copies * self._span()})

    def some(self, by: str, count: int) -> list[str]:
        """Return `count` random queue ids, message ids or recipients (`by`) of the table."""
        known = self._connection.execute(f"SELECT {by} FROM bench_base WHERE {by} IS NOT NULL".encode()).fetchall()  # noqa: S608  # one of ours
        made_anew = f"SELECT {_MADE_ANEW[by]} FROM (VALUES (%(value)s)) AS one ({by})"  # noqa: S608  # one of ours
        taken: list[str] = []
        for (value,) in self._chance.sample(known, min(count, len(known))):
            shift = self._chance.randint(0, self._copies) * self._span()
            row = self._connection.execute(made_anew.encode(), {"shift": shift, "value": value}).fetchone()
            assert row is not None
            taken.append(row[0] if shift else value)
        return taken

    def _span(self) -> int:
        """Return the seconds between the first and the last recorded event."""
        return 1 + int(
            str(scalar(self._connection, "SELECT extract(epoch FROM max(time) - min(time))::bigint FROM bench_base"))
        )

    def _count(self, table: str) -> int:
        return int(str(scalar(self._connection, f"SELECT count(*) FROM {table}")))  # noqa: S608  # one of ours


def now_ms() -> int:
    """Return the present time in epoch ms."""
    return time.time_ns() // 1_000_000
