"""Notes new complaints, in the transaction that stores them, so that each is counted once its search ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.events.model.event import Action
from collector.store.database.sql import query
from collector.store.writing.copy_text import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from collector.events.model.batch import Batch
    from collector.events.model.event import MailEvent


def note(cursor: psycopg.Cursor, batch: Batch, new: Sequence[MailEvent]) -> None:
    """Note the complaints among a batch's new events. Raise `psycopg.Error`."""
    # The events of most batches are never built, and the sums show that they hold no complaint.
    if batch.tally is not None and not any(action is Action.COMPLAINED for *_, action in batch.tally.events):
        return
    rows = [
        (
            one.cluster,
            one.event_id,
            timestamp(one.time),
            timestamp(one.received_at),
            one.message_id is not None or one.fbl_id is not None,
        )
        for one in new
        if one.action is Action.COMPLAINED
    ]
    if rows:
        cursor.execute(query("note_complaints"), list(map(list, zip(*rows, strict=True))))
