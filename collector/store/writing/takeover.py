"""A better source's event replaces the stored event of a backup source, in the transaction that writes it.

Reconciliation takes `LOCK_KEY` alone, and writers share it. So reconciliation never finds a slot empty while a better
event for that slot is being written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from collector.events.model.event import Action, Source, identity
from collector.events.model.precedence import NO_CORRECTIONS, RANKS, Corrections, Slot, corrections_of, fills, slots_of
from collector.store.database.sql import query
from collector.store.writing.copy_text import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg

    from collector.events.model.batch import Batch
    from collector.events.model.event import Identity, MailEvent

LOCK_KEY: Final = 0x68656C64  # "held"


class StoredBackupEvent(NamedTuple):
    """An event of a backup source that is in `mail_events`. `time` is epoch ms."""

    slot: Slot
    source: Source
    event_id: str
    time: int
    action: Action

    @property
    def row(self) -> tuple[str, Identity]:
        """Return its queue id, and the identity of its row."""
        return self.slot.queue_id, (self.event_id, self.slot.cluster, self.time)


def take_over(cursor: psycopg.Cursor, batch: Batch) -> Corrections:
    """Delete the rows of lesser sources whose slots the batch's events fill. Call this before they are written.

    Raise `psycopg.Error`.
    """
    # Such rows exist only after an outage: this looks at an index that is empty otherwise.
    cursor.execute("SELECT FROM held_events WHERE stored_time IS NOT NULL LIMIT 1")
    if not cursor.rowcount:
        return NO_CORRECTIONS
    stored = stored_of(cursor, batch.messages)
    if not stored:
        return NO_CORRECTIONS
    taken = _taken(batch.events, stored)
    retire(cursor, [one.row for others in taken.values() for one in others])
    return corrections_of(
        (identity(event), event.action, [one.action for one in taken[identity(event)]])
        for event in batch.events
        if identity(event) in taken
    )


def stored_of(cursor: psycopg.Cursor, queue_ids: Sequence[str]) -> list[StoredBackupEvent]:
    """Return the events of these messages that backup sources reported and the table holds."""
    rows = cursor.execute(query("stored_held"), [list(queue_ids)]).fetchall()
    return [StoredBackupEvent(Slot(*row[:4]), Source(row[4]), row[5], row[6], Action(row[7])) for row in rows]


def retire(cursor: psycopg.Cursor, rows: Iterable[tuple[str, Identity]]) -> None:
    """Delete rows of mail_events, and the held events behind them. Raise `psycopg.Error`."""
    keys = [(queue_id, cluster, event_id, timestamp(time)) for queue_id, (event_id, cluster, time) in rows]
    if keys:
        cursor.execute(query("corrects"))
        cursor.execute(query("retire"), list(map(list, zip(*keys, strict=True))))
        cursor.executemany(query("delete_row"), [key[1:] for key in keys])


def _taken(events: Iterable[MailEvent], stored: Iterable[StoredBackupEvent]) -> dict[Identity, list[StoredBackupEvent]]:
    """Return the rows that each event replaces. A row is replaced once."""
    left: dict[tuple[str, str], list[StoredBackupEvent]] = {}
    for one in stored:
        left.setdefault(one.slot[:2], []).append(one)
    taken: dict[Identity, list[StoredBackupEvent]] = {}
    for event in events:
        for slot in slots_of(event):
            rivals = left.get(slot[:2], [])
            lesser = [one for one in rivals if RANKS[one.source] < RANKS[event.source] and fills(slot, one.slot)]
            if lesser:
                taken.setdefault(identity(event), []).extend(lesser)
                left[slot[:2]] = [one for one in rivals if one not in lesser]
    return taken
