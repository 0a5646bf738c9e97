"""Bytes an event after compression by TimescaleDB Community.

Measured on the tests' server, which is slow but compresses like any other.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg import sql

from bench import corpus
from collector.config.model import RetentionSettings
from collector.events.border.decoding import Border, decode_body
from collector.events.model.event import COLUMNS, Source
from collector.pipeline.batch import assemble
from collector.store.migrations import migrate
from collector.store.schema.layout import lay_out
from tests.servers.community import Community
from tests.servers.missing import MissingServerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import psycopg

    from collector.events.model.event import MailEvent

SKIPPED = "skipped: run make servers"
MOST_EVENTS = 30_000
AT_ONCE = 25
"""Rows of one INSERT: this server supports no COPY, and crashes on a long statement."""

AGE_MS = 5 * 86_400_000
TIMES = frozenset({"time", "next_attempt", "received_at"})


def measure(folder: Path, events: int) -> Any:  # noqa: ANN401 - figures, or why there are none
    """Return bytes an event before and after compression, indexes included, or why the part is skipped."""
    try:
        server = Community(folder)
    except MissingServerError:
        return SKIPPED
    server.start()
    try:
        with server.connect() as connection:
            connection.execute("CREATE EXTENSION timescaledb")
            migrate(connection)
            lay_out(connection, RetentionSettings(), datetime.now(UTC))
            rows = _rows(min(events, MOST_EVENTS))
            _insert(connection, rows)
            before = _size(connection)
            connection.execute("SELECT compress_chunk(chunk) FROM show_chunks('mail_events') AS chunk")
            after = _size(connection)
    finally:
        server.stop()
    return {"events": len(rows), "before": round(before / len(rows), 1), "after": round(after / len(rows), 1)}


def _rows(count: int) -> Sequence[MailEvent]:
    until = time.time_ns() // 1_000_000 - AGE_MS
    made: list[MailEvent] = []
    for body in corpus.bodies(corpus.events(count, until), 500):
        request = decode_body(body, received_at=until, source=Source.PLUGIN, border=Border())
        made += assemble([request], {})[0].events
    return made


def _insert(connection: psycopg.Connection, rows: Sequence[MailEvent]) -> None:
    values = sql.SQL(", ").join(
        [sql.SQL("to_timestamp(%s / 1000.0)") if name in TIMES else sql.Placeholder() for name in COLUMNS]
    )
    names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        tuples = sql.SQL(", ").join([sql.SQL("({})").format(values)] * len(some))
        statement = sql.SQL("INSERT INTO mail_events ({}) VALUES {}").format(names, tuples)
        connection.execute(statement, [getattr(row, name) for row in some for name in COLUMNS])


def _size(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT hypertable_size('mail_events')").fetchone()
    assert row is not None
    return int(row[0])
