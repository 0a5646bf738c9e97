"""What events added up to whose rows were deleted by hand: kept, so that a bucket that is built anew does not lose them.

DELETE and TRUNCATE run the triggers of migration 0014. drop_chunks runs none: here the chunks that are gone are found. What the roll-ups
hold of a chunk's time then stands for its rows; whatever comes later is in a new chunk, and is added to that.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from psycopg import sql

from collector.store.connection import scalar
from collector.store.rollups import ERASED
from collector.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

log = logging.getLogger(__name__)


def keep_dropped(connection: psycopg.Connection, is_over: Callable[[], bool]) -> bool:
    """Keeps what the roll-ups hold of chunks of `mail_events` that somebody dropped, a chunk in a transaction; call it before anything is
    built. Returns False when `is_over` came first. The connection is in autocommit mode. Raises `psycopg.Error`.
    """
    gone: list[tuple[Any, ...]] = connection.execute(query("gone_chunks"), {"start": None, "end": None}).fetchall()
    if not scalar(connection, "SELECT EXISTS (SELECT FROM known_chunks)"):
        gone = [(None, *day) for day in connection.execute(query("bare_days"))]
    horizon = scalar(connection, query("horizon"), "mail_events")
    for name, start, end in gone:
        if is_over():
            return False
        with connection.transaction():
            if horizon is None or end > horizon:
                _keep(connection, start if horizon is None else max(start, horizon), end)
            connection.execute("DELETE FROM known_chunks WHERE name = %s", (name,))
    connection.execute(query("know_chunks"))
    return True


def _keep(connection: psycopg.Connection, start: datetime, end: datetime) -> None:
    for relation, erased in ERASED.items():
        names = {"relation": sql.Identifier(relation), "erased": sql.Identifier(erased)}
        for statement in (
            "DELETE FROM {erased} WHERE bucket >= %s AND bucket < %s",
            "INSERT INTO {erased} SELECT * FROM {relation} WHERE bucket >= %s AND bucket < %s",
        ):
            connection.execute(sql.SQL(statement).format(**names), (start, end))
    fields = {"start": start.isoformat(), "end": end.isoformat()}
    log.warning("events were deleted by hand: the roll-ups keep what they counted", extra={"fields": fields})
