"""Rows of the tables beside `mail_events`: written as JSON, many in one statement, which returns the new ones."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg import sql

from collector.events.model.event import MailEvent
from collector.events.model.side_tables import DnsblResult
from collector.store.database.sql import query
from collector.store.writing.copy_text import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from collector.events.model.side_tables import Record
    from collector.store.database.receipt_clock import Clocks

_encode = msgspec.json.Encoder().encode


MAIL_TIMES, MAIL_DOCUMENTS = frozenset({"time", "next_attempt", "received_at"}), frozenset({"raw"})
"""`TIMES` and `DOCUMENTS` of `mail_events`, as a `Record` has them for its own table."""


def json_row(row: Record | MailEvent) -> dict[str, Any]:
    """Return the row's columns for `jsonb_populate_record`, without nulls: most columns of an event are null."""
    times, documents = (MAIL_TIMES, MAIL_DOCUMENTS) if isinstance(row, MailEvent) else (row.TIMES, row.DOCUMENTS)
    columns = {name: value for name, value in msgspec.structs.asdict(row).items() if value is not None}
    for name, value in columns.items():
        if name in times:
            columns[name] = timestamp(value)
        elif name in documents:
            columns[name] = msgspec.Raw(value.encode())
        elif isinstance(value, MailEvent):
            columns[name] = json_row(value)
    return columns


def write(cursor: psycopg.Cursor, records: Sequence[Record], clocks: Clocks) -> list[Record]:
    """Insert the rows, and return the new ones. Raise `psycopg.Error`."""
    new: list[Record] = []
    # In the order of the keys, so that two collectors do not wait for each other's rows.
    for _, some in groupby(sorted(records, key=lambda one: (one.TABLE, *map(str, one.key))), key=type):
        rows = list(some)
        kind = type(rows[0])
        document = _encode([_received(row, clocks) for row in rows]).decode()
        if kind is DnsblResult:
            cursor.execute(query("dnsbl_set_back"), [document])
        cursor.execute(_insertion(kind), [document])
        keys = set(cursor.fetchall())
        new += [row for row in rows if row.key in keys]
    return new


def _received(row: Record, clocks: Clocks) -> dict[str, Any]:
    """Return the row's columns; the receipt is by the database's clock if rows are ordered by it."""
    columns = json_row(row)
    return columns | {"received_at": timestamp(clocks.received(row.received_at))} if row.IS_ORDERED else columns


def is_written_by(connection: psycopg.Connection, row: Record, transaction: str) -> bool:
    """Return True if this finished transaction wrote this row. Raise `psycopg.Error`."""
    document = _encode([json_row(row)]).decode()
    return connection.execute(_search(type(row)), [document, transaction]).fetchone() is not None


@cache
def _search(kind: type[Record]) -> sql.Composed:
    same = [sql.SQL("kept.{0} = wanted.{0}").format(sql.Identifier(name)) for name in kind.KEY]
    return sql.SQL(query("record_written_by")).format(
        table=sql.Identifier(kind.TABLE), is_same=sql.SQL(" AND ").join(same)
    )


@cache
def _insertion(kind: type[Record]) -> sql.Composed:
    key = [
        sql.SQL("(extract(epoch FROM {}) * 1000)::bigint" if name in kind.TIMES else "{}").format(sql.Identifier(name))
        for name in kind.KEY
    ]
    return sql.SQL(query("add_records")).format(
        table=sql.Identifier(kind.TABLE),
        columns=sql.SQL(", ").join(map(sql.Identifier, kind.__struct_fields__)),
        key=sql.SQL(", ").join(key),
    )
