"""The counts of rows that were deleted by hand: they are kept, so that a rebuilt bucket does not lose them.

DELETE and TRUNCATE run the triggers of migration 0014. drop_chunks runs no trigger, so dropped chunks are found here.
The roll-ups' counts of a chunk's time then stand for its rows. Later rows go into a new chunk and are added to them.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from collector.store.database.connection import scalar
from collector.store.database.sql import query
from collector.store.rollups import policies
from collector.store.rollups.building import ERASED_BEFORE
from collector.store.rollups.outcomes import ERASED

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from collector.config.model import RetentionSettings

NEWEST: Final = timedelta(hours=3)
"""A refresh policy reaches back at least this far: on TimescaleDB Community, counts of newer rows are not kept."""

log = logging.getLogger(__name__)


def keep_dropped(connection: psycopg.Connection, is_over: Callable[[], bool]) -> bool:
    """Keep the counts of chunks of `mail_events` that were dropped by hand, one chunk in a transaction.

    Call it before any bucket is built. Return False if `is_over` came first. The connection is in autocommit mode.
    Raise `psycopg.Error`.
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


def protect_dropped(
    connection: psycopg.Connection, kept: RetentionSettings, now: datetime, is_over: Callable[[], bool]
) -> None:
    """Do the same on TimescaleDB Community, where the next refresh would empty the buckets of a dropped chunk.

    From then on, no policy refreshes buckets before the chunk's end, and `AggregateBuilder` adds late events of that
    time. A chunk that the retention policy drops is not deleted by hand. Raise `psycopg.Error`.
    """
    gone = connection.execute(query("gone_chunks"), {"start": None, "end": None}).fetchall()
    is_by_hand = False
    for name, start, end in gone:
        if is_over():
            return
        with connection.transaction():
            if end > now - kept.raw:
                is_by_hand = True
                _keep(connection, start, end)
                connection.execute(query("note_horizon"), (ERASED_BEFORE, min(end, now - NEWEST)))
            connection.execute("DELETE FROM known_chunks WHERE name = %s", (name,))
    if is_by_hand:
        policies.reconcile(connection, kept, now)
    connection.execute(query("know_chunks"))


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
