"""Reads `mail_events`, and names each column in which it differs from the expected rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from collector.events.model.event import COLUMNS

Row = dict[str, Any]
Key = tuple[Any, ...]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def read_rows(dsn: str) -> list[Row]:
    """Return every row of the table with every column. Times are epoch ms, `raw` is decoded from JSON."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        rows = connection.execute("SELECT * FROM mail_events").fetchall()
    return [{column: plain(value) for column, value in row.items()} for row in rows]


def plain(value: object) -> object:
    """Return a time as epoch ms, and any other value as it is."""
    if not isinstance(value, datetime):
        return value
    whole, rest = divmod(value - EPOCH, MILLISECOND)
    if rest:
        raise AssertionError(f"{value} is no whole millisecond, but ZoneMTA's times are")
    return whole


def key_of(row: Row) -> Key:
    """Return the columns that identify a row (docs/events.md)."""
    return (row["cluster"], row["event_id"], row["time"])


def differences(expected: list[Row], found: list[Row], *, but: tuple[str, ...] = ()) -> list[str]:
    """Return a line for each row that is missing or should not be there, and for each column that differs.

    `raw` is compared by value, because jsonb does not keep the order of keys. Columns in `but` are not compared.
    """
    wanted = {key_of(row): row for row in expected}
    got = {key_of(row): row for row in found}
    lines = []
    if len(wanted) != len(expected):
        lines.append(f"{len(expected)} expected rows have {len(wanted)} keys")
    if len(got) != len(found):
        lines.append(f"{len(found)} rows found have {len(got)} keys")
    lines += [f"missing: {key}" for key in wanted if key not in got]
    lines += [f"too many: {key}" for key in got if key not in wanted]
    for key, row in wanted.items():
        if key in got:
            lines += row_differences(row, got[key], but)
    return lines


def row_differences(expected: Row, found: Row, but: tuple[str, ...]) -> list[str]:
    if set(found) != set(COLUMNS):
        return [f"columns that only one side has: {sorted(set(found) ^ set(COLUMNS))}"]
    lines = []
    for column in COLUMNS:
        wanted, got = expected[column], found[column]
        if column == "raw":
            wanted, got = json_value(wanted), json_value(got)
        if column not in but and (type(wanted) is not type(got) or wanted != got):
            lines.append(f"{found['event_id']} {column}: expected {wanted!r}, found {got!r}")
    return lines


def json_value(value: object) -> object:
    """Return JSON as text in one form. The database returns jsonb as a value, and the oracle writes text.

    In this form `true` does not equal 1.
    """
    if value is None:
        return None
    return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True)
