"""The dead letters, for an operator to list, read and delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.events.model.batch import DeadLetter
from collector.events.model.event import RejectReason, Source
from collector.store.database.sessions import committed, open_session
from collector.store.database.sql import query
from collector.store.migrations import require_ours

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg


class LetterBox:
    """The dead letters of one database.

    Every method raises `StoreUnavailableError`, and `ForeignTableError` beside another program's migrations.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def letters(
        self,
        *,
        limit: int,
        reason: RejectReason | None = None,
        ids: Sequence[str] | None = None,
        after: DeadLetter | None = None,
    ) -> list[DeadLetter]:
        """Return at most `limit` letters, oldest first: of one reason, or with these ids, or that come `after` one."""
        wanted = {
            "limit": limit,
            "reason": reason,
            "ids": None if ids is None else list(ids),
            "after": None if after is None else after.letter_id,
            "after_ms": None if after is None else after.received_at,
        }
        with open_session(self._dsn) as connection:
            require_ours(connection)
            rows = connection.execute(query("letters"), wanted).fetchall()
        return [
            DeadLetter(letter_id, received_at, cluster, Source(source), RejectReason(why), error, raw)
            for letter_id, received_at, cluster, source, why, error, raw in rows
        ]

    def drop(self, ids: Sequence[str], reason: RejectReason | None = None) -> int:
        """Delete the letters with these ids and all letters of a reason; return the number of deleted letters."""
        wanted = {"ids": list(ids), "reason": reason}
        return committed(self._dsn, lambda cursor: _drop(cursor, wanted))


def _drop(cursor: psycopg.Cursor, wanted: Mapping[str, object]) -> int:
    require_ours(cursor.connection)
    return cursor.execute(query("letters_drop"), wanted).rowcount
