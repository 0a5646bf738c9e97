"""The batch write: each event is stored exactly once, and the new events are known.

Most batches have no duplicates, so a batch goes straight into the table by COPY. A conflict rolls that back. Then this
batch and the next ones are merged: COPY into a temporary table and INSERT … ON CONFLICT DO NOTHING, which returns the
new rows.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors as pg

from collector.config.model import RetentionSettings
from collector.config.renewable import dsn_text
from collector.errors import UntranslatableError
from collector.events.model.batch import SeenHeartbeat, WriteResult
from collector.events.model.event import Heartbeat, identity
from collector.events.model.precedence import NO_CORRECTIONS
from collector.store.database.commits import Commits, PendingCommit
from collector.store.database.connection import HANG_SECONDS, connect, cut_connection, deadline, scalar, translate
from collector.store.database.encoding import HOLDS_EVERYTHING, encoding_of, lacking_by
from collector.store.database.receipt_clock import Clocks
from collector.store.database.sessions import open_session
from collector.store.database.sql import query
from collector.store.database.tiers import reach_extension
from collector.store.migrations import migrate
from collector.store.schema import reader_role
from collector.store.schema.completeness import require_whole_schema
from collector.store.schema.layout import lay_out_if_let
from collector.store.writing import pending_complaints, side_tables, takeover
from collector.store.writing.copy_text import COLUMN_LIST, COPY_EVENTS, encode_copy, timestamp
from collector.store.writing.touched_buckets import touched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from collector.config.renewable import Connectable
    from collector.errors import BadRowError, StoreUnavailableError
    from collector.events.model.batch import Batch
    from collector.events.model.event import MailEvent

log = logging.getLogger(__name__)

MERGE_AFTER_CONFLICT = 20
"""Batches that are merged after a conflict: duplicates come in runs (a retry, a replayed journal)."""

COPY_CHUNK_BYTES = 256 * 1024

LOCK_SHARE = 0.8
"""Share of the write deadline that may be spent waiting for a lock."""


class PostgresStore:
    """Writes batches over one connection of its own, from one thread. `abandon` may be called from another thread."""

    def __init__(
        self,
        dsn: Connectable,
        session_dsn: Connectable,
        *,
        kept: RetentionSettings | None = None,
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        self._dsn, self._session_dsn = dsn, session_dsn
        self._kept = kept or RetentionSettings()
        self._hang_seconds = hang_seconds
        self._connection: psycopg.Connection | None = None
        self._connected_by = ""
        self._merges_left = 0
        self._commits: Commits[WriteResult] = Commits()

    def prepare(self) -> None:
        """Apply the migrations and the layout of the tier, and complete the dashboards' role.

        Raise `StoreUnavailableError`, also for a database that a restore left incomplete, and `ForeignTableError` if
        another program's table of migrations has our table's name.
        """
        with open_session(self._session_dsn, self._hang_seconds) as connection:
            _warn_of_encoding(encoding_of(connection))
            migrate(connection)
            require_whole_schema(connection)
            reach_extension(connection)  # where our tables lie is known only now
            changes, refusal = lay_out_if_let(connection, self._kept, datetime.now(UTC))
            for change in changes:
                log.info("the storage layout was changed", extra={"fields": {"change": change}})
            if refusal is not None:
                log.warning("the storage layout could not be changed: run doctor", extra={"fields": {"kind": refusal}})
            for fault in reader_role.complete_reader_role(connection):
                log.warning(
                    "the dashboards' role lacks rights or has too many: run migrate", extra={"fields": {"kind": fault}}
                )

    def heartbeats(self) -> list[SeenHeartbeat]:
        """Return the last heartbeat of each plugin process of the last day. Raise `StoreUnavailableError`."""
        with open_session(self._session_dsn, self._hang_seconds) as connection:
            rows = connection.execute(query("reports")).fetchall()
        return [SeenHeartbeat(Heartbeat(*row[:7]), row[7]) for row in rows]

    def write(self, batch: Batch) -> WriteResult:
        """Commit the whole batch; `pipeline.writer.Store` states the obligations."""
        try:
            return self._settled() or self._write(batch)
        except psycopg.Error as error:
            self._disconnect()
            raise refusal_of_rows(error, self._dsn, batch.characters) from None

    def abandon(self) -> None:
        """Break off a write in another thread."""
        if self._connection is not None:
            cut_connection(self._connection)

    def close(self) -> None:
        """Close the connection."""
        self._disconnect()

    @property
    def is_in_doubt(self) -> bool:
        """Whether a COMMIT got no reply: the next `write` of the same batch finds out whether it was committed."""
        return self._commits.is_in_doubt

    def _settled(self) -> WriteResult | None:
        """Find out whether a COMMIT without a reply happened. The writer repeats the same batch until then."""
        if not self._commits.is_in_doubt:
            return None
        connection = self._connected()
        with deadline(connection, self._hang_seconds):
            return self._commits.settle(connection)

    def _write(self, batch: Batch) -> WriteResult:
        if batch.events and not self._merges_left:
            try:
                return self._transaction(batch, direct=True)
            except pg.UniqueViolation:
                # Not by a rollback: PgBouncer 1.24 keeps a connection busy forever if the server refused its COPY
                # before the end.
                self._disconnect()
                self._merges_left = MERGE_AFTER_CONFLICT
        self._merges_left = max(0, self._merges_left - 1)
        return self._transaction(batch, direct=False)

    def _transaction(self, batch: Batch, *, direct: bool) -> WriteResult:
        connection = self._connected()
        with deadline(connection, self._hang_seconds):
            with connection.cursor() as cursor:
                transaction, written = put(cursor, batch, direct=direct, hang_seconds=self._hang_seconds)
            return self._commits.commit(connection, PendingCommit(transaction, written, partial(has_row_of, written)))

    def _connected(self) -> psycopg.Connection:
        # A connection must not keep a role that was exchanged for another.
        if self._connection is None or self._connection.closed or self._connected_by != dsn_text(self._dsn):
            self._disconnect()
            self._connected_by = dsn_text(self._dsn)
            connection = connect(self._connected_by)
            try:
                with deadline(connection, self._hang_seconds):
                    require_whole_schema(connection)  # another database may be in the place of the last one
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _warn_of_encoding(encoding: str) -> None:
    if encoding not in HOLDS_EVERYTHING:
        log.warning(
            "the database is not in UTF8: events with characters that it lacks become dead letters (docs/storage.md)",
            extra={"fields": {"encoding": encoding}},
        )


def refusal_of_rows(
    error: psycopg.Error, dsn: Connectable, characters: Callable[[], Iterable[str]]
) -> StoreUnavailableError | BadRowError:
    """Return our error for the refusal of rows that have these characters.

    Raise `StoreUnavailableError` if the database does not say which of them its encoding lacks.
    """
    if not isinstance(error, pg.UntranslatableCharacter):
        return translate(error)
    try:
        lacks = lacking_by(dsn, characters())
    except psycopg.Error as failure:
        return translate(failure)
    return UntranslatableError(str(error.sqlstate), f"SQLSTATE {error.sqlstate}", lacks)


def put(cursor: psycopg.Cursor, batch: Batch, *, direct: bool, hang_seconds: float) -> tuple[str, WriteResult]:
    """Write a batch in a transaction that this begins; return the transaction's number and its result.

    With `direct`, an event that is in the table already raises `UniqueViolation`. Raise `psycopg.Error`.
    """
    # The server itself gives up waiting for a lock, in time: a backend whose client has left would wait on.
    longest = f"{int(hang_seconds * LOCK_SHARE * 1000)}ms"
    cursor.execute(query("begin"), [touched(batch), longest, takeover.LOCK_KEY])
    transaction, _, _, theirs = cursor.fetchall()[0]
    clocks = Clocks.read(theirs)
    corrections = takeover.take_over(cursor, batch) if batch.events else NO_CORRECTIONS
    if direct:
        _copy(cursor, batch)
        new = batch.events
    else:
        new = _merge(cursor, batch)
    pending_complaints.note(cursor, batch, new)
    _write_rest(cursor, batch, clocks)
    new_records = side_tables.write(cursor, batch.records, clocks) if batch.records else ()
    return transaction, WriteResult(
        batch, new, new_records=new_records, corrections=corrections, transaction=int(transaction)
    )


def has_row_of(written: WriteResult, connection: psycopg.Connection, transaction: str) -> bool:
    """Return True if this finished transaction wrote one of the new rows.

    A batch without a new row may be written again. Raise `psycopg.Error`.
    """
    if written.new_events:
        event = max(written.new_events, key=lambda one: one.time)  # the least likely to lie in a compressed chunk
        row = event.event_id, event.cluster, timestamp(event.time), transaction
        return scalar(connection, query("written_by"), *row) is not None
    for record in written.new_records[:1]:
        return side_tables.is_written_by(connection, record, transaction)
    return False


def _copy(cursor: psycopg.Cursor, batch: Batch) -> None:
    with cursor.copy(COPY_EVENTS) as copy:
        # In chunks, so that the server works on one chunk while the next one is sent.
        text = memoryview(_text(batch))
        for start in range(0, len(text), COPY_CHUNK_BYTES):
            copy.write(text[start : start + COPY_CHUNK_BYTES])


def _text(batch: Batch) -> bytes:
    return encode_copy(batch.events) if batch.copy_text is None else batch.copy_text


def _merge(cursor: psycopg.Cursor, batch: Batch) -> Sequence[MailEvent]:
    """Return the new events."""
    if not batch.events:
        return []
    cursor.execute(query("incoming").format(columns=COLUMN_LIST))
    with cursor.copy(COPY_EVENTS.replace("mail_events", "incoming", 1)) as copy:
        copy.write(_text(batch))
    cursor.execute(query("merge").format(columns=COLUMN_LIST))
    new = set(cursor.fetchall())
    return [event for event in batch.events if identity(event) in new]


def _write_rest(cursor: psycopg.Cursor, batch: Batch, clocks: Clocks) -> None:
    if batch.letters:
        cursor.executemany(
            query("set_aside"),
            [(x.letter_id, x.received_at, x.cluster, x.source, x.reason, x.error, x.raw) for x in batch.letters],
        )
    if batch.heartbeats:
        cursor.executemany(query("report"), [_heartbeat_row(seen, clocks) for seen in batch.heartbeats])


def _heartbeat_row(seen: SeenHeartbeat, clocks: Clocks) -> tuple[object, ...]:
    r = seen.heartbeat
    values = r.cluster, r.host, r.process, r.version, r.spool_bytes, r.oldest_unsent, r.dropped, list(r.contexts)
    return *values, clocks.received(seen.received_at), seen.request_id
