"""The batch write: exactly once in the table, and which events were new.

A batch without duplicates is the rule, so it goes straight into the table by COPY. A conflict rolls that back, and this batch
and the next ones take the merging way (a temporary table and INSERT … ON CONFLICT DO NOTHING), which says which rows were new.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors as pg

from collector.config.model import Retention
from collector.config.renewable import text_of
from collector.events.model.batch import SeenReport, Written
from collector.events.model.event import PluginReport, identity
from collector.events.model.precedence import NO_CORRECTIONS
from collector.store.database.commits import Commits, Pending
from collector.store.database.connection import HANG_SECONDS, connect, cut, deadline, scalar, translate
from collector.store.database.receipt_clock import Clocks
from collector.store.database.sessions import session
from collector.store.database.sql import query
from collector.store.database.tiers import reach_extension
from collector.store.migrations import migrate
from collector.store.schema import reader_role
from collector.store.schema.layout import lay_out_if_let
from collector.store.writing import side_tables, takeover
from collector.store.writing.copy_text import COLUMN_LIST, COPY_EVENTS, encode, timestamp
from collector.store.writing.touched_buckets import touched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.config.renewable import Connectable
    from collector.events.model.batch import Batch
    from collector.events.model.event import MailEvent

log = logging.getLogger(__name__)

MERGE_AFTER_CONFLICT = 20
"""Batches that take the merging way after a conflict: duplicates come in runs (a retry, a replayed journal)."""

COPY_CHUNK_BYTES = 256 * 1024

LOCK_SHARE = 0.8
"""Of the time that a write may take, a lock may take so much."""


class PostgresStore:
    """Writes batches over one connection of its own. For one thread, but `abandon` may come from another."""

    def __init__(
        self,
        dsn: Connectable,
        session_dsn: Connectable,
        *,
        kept: Retention | None = None,
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        self._dsn, self._session_dsn = dsn, session_dsn
        self._kept = kept or Retention()
        self._hang_seconds = hang_seconds
        self._connection: psycopg.Connection | None = None
        self._connected_by = ""
        self._merges_left = 0
        self._commits: Commits[Written] = Commits()

    def prepare(self) -> None:
        """Applies the migrations, what the tier and the settings ask for beyond, and completes the dashboards' role. Raises
        `StoreUnavailableError`, and `ForeignTableError` where another program's migrations are in our place.
        """
        with session(self._session_dsn, self._hang_seconds) as connection:
            migrate(connection)
            reach_extension(connection)  # where our tables lie is known only now
            changes, refusal = lay_out_if_let(connection, self._kept, datetime.now(UTC))
            for change in changes:
                log.info("the storage was changed", extra={"fields": {"change": change}})
            if refusal is not None:
                log.warning("the storage stays as it is: see doctor", extra={"fields": {"kind": refusal}})
            for fault in reader_role.complete(connection):
                log.warning(
                    "the dashboards' role is not as it should be: see migrate", extra={"fields": {"kind": fault}}
                )

    def reports(self) -> list[SeenReport]:
        """Returns the last report of each plugin process of the last day. Raises `StoreUnavailableError`."""
        with session(self._session_dsn, self._hang_seconds) as connection:
            rows = connection.execute(query("reports")).fetchall()
        return [SeenReport(PluginReport(*row[:7]), row[7]) for row in rows]

    def write(self, batch: Batch) -> Written:
        """Commits the batch whole (the obligations stand in `pipeline.writer.Store`)."""
        try:
            return self._settled() or self._write(batch)
        except psycopg.Error as error:
            self._disconnect()
            raise translate(error) from None

    def abandon(self) -> None:
        """Breaks off a write under way in another thread."""
        if self._connection is not None:
            cut(self._connection)

    def close(self) -> None:
        """Closes the connection."""
        self._disconnect()

    @property
    def is_in_doubt(self) -> bool:
        """True after a COMMIT without a reply: the next `write` of the same batch finds out whether it was committed."""
        return self._commits.is_in_doubt

    def _settled(self) -> Written | None:
        """Finds out what became of a COMMIT without a reply. The writer repeats the same batch until then."""
        if not self._commits.is_in_doubt:
            return None
        connection = self._connected()
        with deadline(connection, self._hang_seconds):
            return self._commits.settle(connection)

    def _write(self, batch: Batch) -> Written:
        if batch.events and not self._merges_left:
            try:
                return self._transaction(batch, direct=True)
            except pg.UniqueViolation:
                # Not by a rollback: PgBouncer 1.24 takes a connection for busy for ever whose COPY the server refused before its end came.
                self._disconnect()
                self._merges_left = MERGE_AFTER_CONFLICT
        self._merges_left = max(0, self._merges_left - 1)
        return self._transaction(batch, direct=False)

    def _transaction(self, batch: Batch, *, direct: bool) -> Written:
        connection = self._connected()
        with deadline(connection, self._hang_seconds):
            with connection.cursor() as cursor:
                transaction, written = put(cursor, batch, direct=direct, hang_seconds=self._hang_seconds)
            return self._commits.commit(connection, Pending(transaction, written, partial(has_row_of, written)))

    def _connected(self) -> psycopg.Connection:
        # A role that was exchanged for another must not stay connected.
        if self._connection is None or self._connection.closed or self._connected_by != text_of(self._dsn):
            self._disconnect()
            self._connected_by = text_of(self._dsn)
            self._connection = connect(self._connected_by)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def put(cursor: psycopg.Cursor, batch: Batch, *, direct: bool, hang_seconds: float) -> tuple[str, Written]:
    """Writes a batch within the transaction that it begins; returns the transaction's number, and what its commit will have brought. With
    `direct`, an event that is there already is a `UniqueViolation`. Raises `psycopg.Error`.
    """
    # A lock that is not to be had is given up by the server itself, in time: a backend whose client has left would wait on.
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
    _write_rest(cursor, batch, clocks)
    new_records = side_tables.write(cursor, batch.records, clocks) if batch.records else ()
    return transaction, Written(batch, new, new_records=new_records, corrections=corrections)


def has_row_of(written: Written, connection: psycopg.Connection, transaction: str) -> bool:
    """True when this finished transaction wrote one of the new rows. A batch without a new row may be written again. Raises `psycopg.Error`."""
    if written.new_events:
        event = max(written.new_events, key=lambda one: one.time)  # the least likely to lie in a compressed chunk
        row = event.event_id, event.cluster, timestamp(event.time), transaction
        return scalar(connection, query("written_by"), *row) is not None
    for record in written.new_records[:1]:
        return side_tables.is_written_by(connection, record, transaction)
    return False


def _copy(cursor: psycopg.Cursor, batch: Batch) -> None:
    with cursor.copy(COPY_EVENTS) as copy:
        # In chunks, so that the server works on one while the next is on its way.
        text = memoryview(_text(batch))
        for start in range(0, len(text), COPY_CHUNK_BYTES):
            copy.write(text[start : start + COPY_CHUNK_BYTES])


def _text(batch: Batch) -> bytes:
    return encode(batch.events) if batch.copy_text is None else batch.copy_text


def _merge(cursor: psycopg.Cursor, batch: Batch) -> Sequence[MailEvent]:
    """Returns the events that were new."""
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
    if batch.reports:
        cursor.executemany(query("report"), [_report_row(seen, clocks) for seen in batch.reports])


def _report_row(seen: SeenReport, clocks: Clocks) -> tuple[object, ...]:
    r = seen.report
    values = r.cluster, r.host, r.process, r.version, r.spool_bytes, r.oldest_unsent, r.dropped, list(r.contexts)
    return *values, clocks.received(seen.received_at), seen.request_id
