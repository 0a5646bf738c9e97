"""A change stream in the database: who follows it, how far, and the rows it led to, in one transaction."""

from __future__ import annotations

import contextlib
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import psycopg

from collector.errors import StoreUnavailableError
from collector.events.model.batch import Batch, characters_of
from collector.events.sources.zonemta_queue import QueueEntry
from collector.store.backup import logins
from collector.store.database.commits import Commits, PendingCommit
from collector.store.database.connection import HANG_SECONDS, connect, cut_connection, deadline, scalar
from collector.store.database.sql import query
from collector.store.writing import side_tables
from collector.store.writing.batch_write import has_row_of, put, refusal_of_rows
from collector.store.writing.copy_text import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.config.renewable import Connectable
    from collector.events.model.batch import WriteResult
    from collector.events.model.side_tables import HeldEvent
    from collector.events.sources.authlog import KnownDocument

LOCK_KEY: Final = 0x66656564  # "feed"

_encode = msgspec.json.Encoder().encode


class FeedLostError(StoreUnavailableError):
    """Another collector follows this feed now."""

    def __init__(self) -> None:
        super().__init__("elsewhere", "another collector follows the feed")


class _Step(NamedTuple):
    """The result of one transaction of a feed, and until when the feed has been followed (epoch ms)."""

    written: WriteResult
    followed_until: int


class FeedStore:
    """One feed of a cluster, over a connection of its own that holds the feed's lock.

    For one thread, but `abandon` may be called from another. Methods raise `psycopg.Error` and `StoreUnavailableError`.
    After either, the connection is closed and the lead is lost.
    """

    def __init__(
        self, session_dsn: Connectable, cluster: str, feed: str, *, hang_seconds: float = HANG_SECONDS
    ) -> None:
        self._dsn, self._cluster, self._feed = session_dsn, cluster, feed
        self._hang_seconds = hang_seconds
        self._connection: psycopg.Connection | None = None
        self._commits: Commits[_Step] = Commits()
        self._epoch = 0
        self.followed_until = 0
        """Until when any collector has followed the feed (epoch ms): the time of the newest change that was stored."""

    def lead(self) -> str | None:
        """Take the feed over, and return its resume token, or None if it has none yet.

        Raise `FeedLostError` while another collector has it.
        """
        self.close()
        self._connection = connection = connect(self._dsn)
        with deadline(connection, self._hang_seconds):
            name = zlib.crc32(f"{self._cluster}\n{self._feed}".encode()) - 2**31
            if not scalar(connection, "SELECT pg_try_advisory_lock(%s, %s)", LOCK_KEY, name):
                self.close()
                raise FeedLostError
            rows = connection.execute(query("feed_lead"), [self._cluster, self._feed]).fetchall()
            connection.commit()
        self._epoch, token, self.followed_until = rows[0]
        return None if token is None else str(token)

    def settle(self) -> WriteResult | None:
        """Return what a COMMIT without a reply wrote; None if it was not committed, or if every COMMIT got its reply.

        Call this before `lead`, which changes the row that proves the commit.
        """
        if not self._commits.is_in_doubt:
            return None
        with contextlib.closing(connect(self._dsn)) as connection, deadline(connection, self._hang_seconds):
            step = self._commits.settle(connection)
        return None if step is None else step.written

    def known(self, mongo_ids: Sequence[str]) -> dict[str, QueueEntry]:
        """Return those queue entries that are stored."""
        if not mongo_ids:
            return {}
        rows = self._rows("queue_entries_known", [self._cluster, list(mongo_ids)])
        return {row[0]: QueueEntry(*row) for row in rows}

    def known_logins(self, documents: Sequence[str]) -> dict[str, KnownDocument]:
        """Return the stored logins of those documents of WildDuck's `authlog`."""
        asked = logins.askable(documents)
        return logins.known(self._rows("known_logins", [asked, self._cluster])) if asked else {}

    def page(self, after: str, limit: int) -> dict[str, QueueEntry]:
        """Return some of the stored queue entries, in order, those after `after`."""
        rows = self._rows("queue_entries_page", [self._cluster, after, limit])
        return {row[0]: QueueEntry(*row) for row in rows}

    def _rows(self, name: str, values: Sequence[Any]) -> list[Any]:
        connection = self._leading()
        with deadline(connection, self._hang_seconds):
            rows = connection.execute(query(name), values).fetchall()
            connection.commit()
        return rows

    def commit(
        self,
        batch: Batch,
        token: str | None,
        *,
        until_ms: int | None = None,
        messages: Sequence[HeldEvent] = (),
        entries: Mapping[str, QueueEntry | None] = {},  # never changed
    ) -> WriteResult:
        """Write the rows that some changes led to, and how far the feed has been followed.

        `token` is None if that position does not move; `until_ms` is the time of the newest change, None for all
        changes so far. `messages` are held events that later changes add to, each once. `entries` are the queue entries
        that changed; None stands for one that ended.
        """
        connection = self._leading()
        try:
            with deadline(connection, self._hang_seconds):
                with connection.cursor() as cursor:
                    transaction, written = put(cursor, batch, direct=False, hang_seconds=self._hang_seconds)
                    self._keep(cursor, entries)
                    if messages:
                        cursor.execute(
                            query("hold_messages"), [_encode([side_tables.json_row(one) for one in messages]).decode()]
                        )
                    step = _Step(written, self._advance(cursor, token, until_ms))
                self._commits.commit(
                    connection, PendingCommit(transaction, step, partial(self._is_written, written, self._epoch))
                )
        except psycopg.Error as error:
            self.close()
            raise refusal_of_rows(
                error, self._dsn, lambda: characters_of([*batch.characters(), *messages, *entries.values()])
            ) from None
        except FeedLostError:
            self.close()
            raise
        self.followed_until = step.followed_until
        return written

    def _is_written(self, written: WriteResult, epoch: int, connection: psycopg.Connection, transaction: str) -> bool:
        """Return True if this finished transaction advanced the feed, or wrote a row if another collector follows it
        now.
        """
        place = [self._cluster, self._feed, epoch, transaction]
        return scalar(connection, query("feed_advanced_by"), *place) is not None or has_row_of(
            written, connection, transaction
        )

    def commit_token(self, token: str | None, until_ms: int | None = None) -> None:
        """Store the position of a stream that brought no event."""
        self.commit(Batch(), token, until_ms=until_ms)

    def _keep(self, cursor: psycopg.Cursor, entries: Mapping[str, QueueEntry | None]) -> None:
        rows = [
            msgspec.structs.asdict(one)
            | {"cluster": self._cluster, "state": one.state, "queued_at": timestamp(one.queued_at)}
            for one in entries.values()
            if one is not None
        ]
        if rows:
            cursor.execute(query("queue_entries_keep"), [_encode(rows).decode()])
        ended = [mongo_id for mongo_id, one in entries.items() if one is None]
        if ended:
            cursor.execute(query("queue_entries_end"), [self._cluster, ended])

    def _advance(self, cursor: psycopg.Cursor, token: str | None, until_ms: int | None) -> int:
        cursor.execute(query("feed_advance"), [token, until_ms, self._cluster, self._feed, self._epoch])
        row = cursor.fetchone()
        if row is None:
            raise FeedLostError
        return int(row[0])

    def abandon(self) -> None:
        """Break off the work of another thread."""
        if self._connection is not None:
            cut_connection(self._connection)

    def close(self) -> None:
        """Give the lead up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _leading(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            raise FeedLostError
        return self._connection
