"""Reconciliation: a held event of a backup source is stored or dropped when it is due, a slice in a transaction.

docs/backup-sources.md describes the decision.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg import errors as pg
from psycopg import sql

from collector.events.model.column_types import CLOSED_SETS
from collector.events.model.columns import Columns
from collector.events.model.event import COLUMNS, Action, Source
from collector.events.model.precedence import (
    RANKS,
    Corrections,
    DueEvent,
    Ruling,
    Slot,
    SlotRow,
    corrections_of,
    filled_slots,
    rule_on,
)
from collector.events.model.tally import READ, Tally, tally_columns
from collector.store.database.commits import Commits
from collector.store.database.connection import scalar
from collector.store.database.sql import query
from collector.store.writing import takeover

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import psycopg

    from collector.events.model.event import Identity

SLICE: Final = 500
GRACE: Final = timedelta(seconds=60)
"""The grace period of clusters without a setting of their own."""

NEARBY: Final = timedelta(days=1)
"""How far apart two sources' times of the same event may be, because their hosts' clocks differ."""

_COUNTED: Final = ("event_id", *READ)


@dataclass(frozen=True)
class DecisionInput:
    """The input of a decision: the time, each cluster's grace period, and the receipt of the oldest submission in the
    journal.

    The receipt is None if the journal is empty.
    """

    now: datetime
    graces: Mapping[str, timedelta]
    journal: datetime | None


@dataclass(frozen=True)
class ReconciliationResult:
    """The result of a commit: the number of due events, the metric sums of new rows, and the recovered events.

    Recovered events are counted by cluster, source and reason.
    """

    due: int
    tally: Tally
    corrections: Counter[tuple[str, str, str]]
    recovered: Counter[tuple[str, Source, str]]


class _DueRow(NamedTuple):
    """The row that a held event would become."""

    identity: Identity
    action: Action


class Reconciler:
    """Decides due events, a slice in a transaction, in one thread.

    Every method raises `psycopg.Error` and `StoreUnavailableError`.
    """

    def __init__(self) -> None:
        self._commits: Commits[ReconciliationResult] = Commits()

    def settle(self, connection: psycopg.Connection) -> ReconciliationResult | None:
        """Return the result of the slice whose COMMIT got no reply; None if there is none or it was not committed."""
        return self._commits.settle(connection)

    def reconcile(
        self, connection: psycopg.Connection, moment: DecisionInput, *, limit: int = SLICE
    ) -> ReconciliationResult:
        """Decide a slice; move rows that the table refuses to the dead letters.

        The connection is in autocommit mode, and no transaction is in doubt.
        """
        decided: list[DueEvent] = []
        try:
            return self._commits.run(
                connection,
                lambda cursor: _reconcile(cursor, moment, limit, decided),
                lambda connection, _: not _is_any_waiting(connection, decided),
            )
        except (pg.DataError, pg.IntegrityError, pg.ProgramLimitExceeded):
            if limit > 1:
                return self.reconcile(connection, moment, limit=limit // 8 or 1)
            return self._commits.run(connection, lambda cursor: _set_aside(cursor, moment))


def _set_aside(cursor: psycopg.Cursor, moment: DecisionInput) -> ReconciliationResult:
    due = _due(cursor, moment, 1)
    cursor.execute(query("set_held_aside"), _keys(due))
    return ReconciliationResult(len(due), Tally(), Counter(), Counter())


def _is_any_waiting(connection: psycopg.Connection, decided: list[DueEvent]) -> bool:
    """Return True if one of these still waits: then the transaction that decided them was not committed.

    Their rows in `mail_events` prove less: the plugin's events may have replaced them since.
    """
    return scalar(connection, query("held_waiting"), *_keys(decided)) is not None if decided else False


def _reconcile(
    cursor: psycopg.Cursor, moment: DecisionInput, limit: int, decided: list[DueEvent]
) -> ReconciliationResult:
    """Decide a slice in the open transaction, and add to `decided` the events that wait no longer."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (takeover.LOCK_KEY,))
    due = _due(cursor, moment, limit)
    ruling = rule_on(due, _rows(cursor, due)) if due else Ruling({}, [])
    if ruling.dropped:
        cursor.execute(query("drop_held"), _keys(ruling.dropped))
    takeover.retire(cursor, _replaced(ruling))
    corrections = corrections_of(
        (*due[waiting], [other.action for other in others]) for waiting, others in ruling.stored.items() if others
    )
    sums = _store(cursor, ruling.stored, corrections) if ruling.stored else Tally()
    recovered = _mark(cursor, ruling.stored) if ruling.stored else Counter()
    decided += [*ruling.dropped, *ruling.stored]
    return ReconciliationResult(len(due), sums, corrections.counts, recovered)


def _keys(waiting: Iterable[DueEvent]) -> list[list[str]]:
    """Return the columns cluster, queue_id, seq, slot, source."""
    return list(map(list, zip(*[(*one.slot, one.source.value) for one in waiting], strict=True)))


def _due(cursor: psycopg.Cursor, moment: DecisionInput, limit: int) -> dict[DueEvent, _DueRow]:
    graces = {cluster: f"{grace.total_seconds()} seconds" for cluster, grace in moment.graces.items()}
    values = {
        "now": moment.now, "graces": json.dumps(graces), "grace": GRACE, "journal": moment.journal, "limit": limit,
    }  # fmt: skip
    found = {}
    for *slot, source, event_id, time, action in cursor.execute(query("due_held"), values):
        place = Slot(*slot)
        found[DueEvent(place, Source(source))] = _DueRow((event_id, place.cluster, time), Action(action))
    return found


def _rows(cursor: psycopg.Cursor, due: Mapping[DueEvent, _DueRow]) -> list[SlotRow]:
    """Return the rows of mail_events of the messages that have due events."""
    stamps = [datetime.fromtimestamp(one.identity[2] / 1000, UTC) for one in due.values()]
    values = {
        "queue_ids": list({one.slot.queue_id for one in due}),
        "start": min(stamps) - NEARBY,
        "end": max(stamps) + NEARBY,
    }
    return [
        SlotRow(
            filled_slots(cluster, queue_id, seq, Action(action), attempt),
            event_id,
            time,
            Action(action),
            Source(source),
        )
        for cluster, queue_id, seq, action, attempt, source, event_id, time in cursor.execute(
            query("rows_of_messages"), values
        )
        if source in RANKS
    ]


def _replaced(ruling: Ruling) -> Iterable[tuple[str, Identity]]:
    for waiting, others in ruling.stored.items():
        for other in others:
            yield waiting.slot.queue_id, (other.event_id, waiting.slot.cluster, other.time)


def _store(cursor: psycopg.Cursor, stored: Collection[DueEvent], corrections: Corrections) -> Tally:
    """Write the rows; return the metric sums of those that count."""
    statement = sql.SQL(query("store_held")).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, COLUMNS)),
        values=sql.SQL(", ").join(sql.Identifier("event", name) for name in COLUMNS),
        read=sql.SQL(", ").join(map(_read, _COUNTED)),
    )
    rows = [dict(zip(_COUNTED, row, strict=True)) for row in cursor.execute(statement, _keys(stored))]
    counted = [row for row in rows if (row["event_id"], row["cluster"], row["time"]) not in corrections.uncounted]
    columns = {name: [_typed(name, row[name]) for row in counted] for name in READ}
    return tally_columns(Columns(len(counted), columns))


def _read(name: str) -> sql.Composable:
    column = sql.Identifier(name)
    return sql.SQL("(extract(epoch FROM {}) * 1000)::bigint").format(column) if name == "time" else column


def _typed(name: str, value: Any) -> Any:  # noqa: ANN401 - any column's
    kind = CLOSED_SETS.get(name)
    return value if kind is None or value is None else kind(value)


def _mark(cursor: psycopg.Cursor, stored: Collection[DueEvent]) -> Counter[tuple[str, Source, str]]:
    """Note the rows that the held events became, and mark their buckets; return the number of recovered events by
    reason.
    """
    marked = cursor.execute(query("mark_held"), _keys(stored)).fetchall()
    cursor.execute(query("touch"), [[time for _, _, time, _ in marked]])
    reporting = {cluster for (cluster,) in cursor.execute("SELECT DISTINCT cluster FROM plugin_reports")}
    return Counter(
        (cluster, Source(source), "never_sent" if is_unsendable else "missed" if cluster in reporting else "no_plugin")
        for cluster, source, _, is_unsendable in marked
    )
