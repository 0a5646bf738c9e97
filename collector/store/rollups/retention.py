"""Retention by the collector: whole days are deleted in slices or by chunks, and the start of the history is noted."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple

from psycopg import sql

from collector.store.database.connection import scalar
from collector.store.database.sql import query
from collector.store.database.tiers import layout_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from collector.config.model import RetentionSettings

log = logging.getLogger(__name__)

BUDGET_SECONDS: Final = 15.0
"""How long a run may delete: the jobs share a thread, and roll-ups must not wait for long."""

SLICE_ROWS: Final = 5_000


class RetentionRule(NamedTuple):
    """A relation, its time column, how long it is kept, and the width of roll-up that is built from it."""

    relation: LiteralString
    column: LiteralString
    how_long: timedelta
    feeds: tuple[LiteralString, ...] = ()


def kept_relations(settings: RetentionSettings) -> tuple[RetentionRule, ...]:
    """Return the rules for events and roll-ups, sources first. Tiers with policies do not use them (policies.py)."""
    return (
        RetentionRule("mail_events", "time", settings.raw, feeds=("15s", "5m", "attempts_5m", "outcomes_1h")),
        RetentionRule("mail_stats_15s", "bucket", settings.stats_15s),
        RetentionRule("mail_stats_5m", "bucket", settings.stats_5m, feeds=("1h",)),
        RetentionRule("domain_stats_5m", "bucket", settings.stats_5m, feeds=("1h",)),
        RetentionRule("mail_stats_1h", "bucket", settings.stats_1h),
        RetentionRule("domain_stats_1h", "bucket", settings.stats_1h),
    )


def kept_tables(settings: RetentionSettings) -> tuple[RetentionRule, ...]:
    """Return the rules for the other tables, which are plain tables on every tier."""
    return (
        RetentionRule("held_events", "stored_time", settings.raw),
        RetentionRule("mail_stats_15s_erased", "bucket", settings.stats_15s),
        RetentionRule("mail_stats_5m_erased", "bucket", settings.stats_5m),
        RetentionRule("domain_stats_5m_erased", "bucket", settings.stats_5m),
        RetentionRule(
            "attempt_stats_5m", "bucket", settings.stats_5m, feeds=("attempts_1h", "providers_5m", "zones_5m")
        ),
        RetentionRule(
            "attempt_stats_1h", "bucket", settings.stats_1h, feeds=("providers_1h", "zones_1h", "attempts_1d")
        ),
        RetentionRule("attempt_stats_1d", "bucket", settings.stats_1h),
        RetentionRule("provider_stats_5m", "bucket", settings.stats_5m),
        RetentionRule("provider_stats_1h", "bucket", settings.stats_1h),
        RetentionRule("zone_stats_5m", "bucket", settings.stats_5m),
        RetentionRule("zone_stats_1h", "bucket", settings.stats_1h),
        RetentionRule("recipient_stats_1h", "bucket", settings.stats_1h, feeds=("recipients_1d",)),
        RetentionRule("recipient_stats_1d", "bucket", settings.stats_1h),
        RetentionRule("pattern_stats_1h", "bucket", settings.stats_1h),
        RetentionRule("reply_patterns", "last_seen", settings.stats_1h),
        RetentionRule("attempt_stats_5m_erased", "bucket", settings.stats_5m),
        RetentionRule("recipient_stats_1h_erased", "bucket", settings.stats_1h),
        RetentionRule("pattern_stats_1h_erased", "bucket", settings.stats_1h),
        RetentionRule("dnsbl_results", "time", settings.dnsbl_results),
        RetentionRule("auth_events", "time", settings.auth_events),
        RetentionRule("audit_events", "time", settings.audit_events),
        RetentionRule("queue_snapshots", "time", settings.queue_snapshots),
    )


def begins(now: datetime, how_long: timedelta) -> datetime:
    """Return the start of what is kept: the start of a day (UTC), so that no bucket is cut in two."""
    return (now - how_long).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def let_go(
    connection: psycopg.Connection, settings: RetentionSettings, now: datetime, is_over: Callable[[], bool]
) -> None:
    """Delete rows older than the settings keep, until the time is up or `is_over`.

    The connection is in autocommit mode. Raise `psycopg.Error`.
    """
    set_back(connection, now)
    layout = layout_of(connection)
    deadline = time.monotonic() + BUDGET_SECONDS
    if layout.has_aggregates:
        connection.execute(query("wake_policies"))
    relations = () if layout.has_aggregates else kept_relations(settings)
    for kept in (*relations, *kept_tables(settings)):
        before = _limit(connection, kept, now)
        if layout.has_chunks and kept.relation == "mail_events":
            _drop_chunks(connection, kept, before)
        else:
            _delete(connection, kept, before, lambda: is_over() or time.monotonic() > deadline)


def set_back(connection: psycopg.Connection, now: datetime) -> None:
    """Set back horizons in the future, which were noted while both clocks were ahead. Raise `psycopg.Error`.

    Otherwise no later bucket would be built until that time comes.
    """
    corrected = connection.execute(query("set_back_horizons"), {"now": now}).rowcount
    if corrected:
        log.warning(
            "the clock was ahead: retention horizons in the future are set back",
            extra={"fields": {"relations": corrected}},
        )


def _limit(connection: psycopg.Connection, kept: RetentionRule, now: datetime) -> datetime:
    """Return the time before which the relation's rows may be deleted. Sources of unbuilt buckets are kept."""
    limit = begins(now, kept.how_long)
    waiting = scalar(connection, query("oldest_stale"), list(kept.feeds))
    return min(limit, begins(waiting, timedelta(0))) if isinstance(waiting, datetime) else limit


def _drop_chunks(connection: psycopg.Connection, kept: RetentionRule, before: datetime) -> None:
    if not scalar(connection, query("old_chunks"), kept.relation, before):
        return
    with connection.transaction():
        # If a long query reads an old chunk, the next run tries again. Meanwhile no other session waits behind this
        # one.
        connection.execute("SET LOCAL lock_timeout = '2s'")
        connection.execute(query("note_horizon"), (kept.relation, before))
        dropped = connection.execute(query("drop_chunks"), (kept.relation, before)).rowcount
    log.info("old chunks were dropped", extra={"fields": {"chunks": dropped}})


def _delete(connection: psycopg.Connection, kept: RetentionRule, before: datetime, is_over: Callable[[], bool]) -> None:
    names = {"relation": sql.Identifier(kept.relation), "column": sql.Identifier(kept.column)}
    if not scalar(connection, sql.SQL(query("has_older")).format(**names), before):
        return
    # First, in a transaction of its own: from now on no roll-up is built from the rows that are about to be deleted.
    connection.execute(query("note_horizon"), (kept.relation, before))
    slice_of = sql.SQL(query("delete_older")).format(**names)
    while not is_over() and connection.execute(slice_of, (before, SLICE_ROWS)).rowcount:
        pass
