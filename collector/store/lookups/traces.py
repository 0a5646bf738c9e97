"""A message's events, found by queue id, Message-ID or recipient, each by an index.

tests/integration/database/test_indexes.py holds the queries to their indexes.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final, LiteralString, TypeAlias

from psycopg import errors as pg
from psycopg import sql
from psycopg.rows import dict_row

from collector.events.border.json_values import ascii_json
from collector.store.database.sessions import open_session
from collector.store.database.sql import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    import psycopg

TracedEvent: TypeAlias = dict[str, Any]

COLUMNS: Final[LiteralString] = (
    "time, cluster, host, action, source, direction, queue_id, seq, recipients, message_id, zone, interface, auth_user,"
    " sender, recipient, mx_host, mx_ip, provider, local_ip, smtp_code, enhanced_code, category, reason, bounce_kind,"
    " provider_code, response, attempt, next_attempt, size_bytes, smtp_ms, queue_ms, tls_version, drop_reason,"
    " raw ->> 'bounceId' AS bounce_id, received_at"
)

LETTERS_LOOKED_INTO: Final = 10_000
SPELLINGS: Final = 20
MAX_SPANS: Final = 64
MAX_PREFIX: Final = 12


class Traces:
    """Lookups in one database. Methods raise `StoreUnavailableError`. `rows` limits each result, newest first."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def open(self) -> AbstractContextManager[psycopg.Connection]:
        """Open a connection for the other methods."""
        return open_session(self._dsn)

    def message(
        self, connection: psycopg.Connection, queue_id: str, *, seqs: Sequence[str] | None, rows: int
    ) -> list[TracedEvent]:
        """Return the events of a message; with `seqs`, those of these recipients and of the whole message."""
        asked = {"queue_id": queue_id, "seqs": None if seqs is None else list(seqs), "rows": rows}
        return _rows(connection, query("trace_message").format(columns=COLUMNS), asked)

    def by_message_id(self, connection: psycopg.Connection, message_id: str, rows: int) -> list[TracedEvent]:
        """Return the events with exactly this Message-ID."""
        return _rows(connection, _by("message_id"), {"value": message_id, "rows": rows})

    def by_recipient(self, connection: psycopg.Connection, recipient: str, rows: int) -> list[TracedEvent]:
        """Return the events of exactly this recipient."""
        return _rows(connection, _by("recipient"), {"value": recipient, "rows": rows})

    def spellings(self, connection: psycopg.Connection, column: LiteralString, lower: Sequence[str]) -> list[str]:
        """Return the values of `message_id` or `recipient` that equal one of `lower` in another mix of cases.

        This is slow in compressed chunks.
        """
        statement = query("trace_spellings").format(column=column)
        found = []
        for text in lower:
            spans = list(spans_of(text))
            starts, ends = [first for first, _ in spans], [last for _, last in spans]
            asked = {"starts": starts, "ends": ends, "value": text, "rows": SPELLINGS}
            found += [row["value"] for row in _rows(connection, statement, asked)]
        return found

    def held(self, connection: psycopg.Connection, queue_id: str, rows: int) -> list[TracedEvent]:
        """Return the message's events that wait in `held_events`."""
        return _rows(connection, query("trace_held"), {"queue_id": queue_id, "rows": rows})

    def letters(self, connection: psycopg.Connection, text: str, rows: int) -> list[TracedEvent]:
        """Return those of the newest dead letters that contain the text, its ASCII in any case.

        A letter may be written in ASCII, with JSON escapes (docs/storage.md, "A database that is not in UTF8").
        """
        found: list[TracedEvent] = []
        for one in dict.fromkeys((ascii_lower(text), ascii_lower(ascii_json(text)))):
            asked = {"text": one, "looked_into": LETTERS_LOOKED_INTO, "rows": rows}
            found += _rows(connection, query("trace_letters"), asked)
        return sorted(found, key=lambda row: row["received_at"], reverse=True)[:rows]


def spans_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield the ranges of byte order that hold the text in any mix of cases: one for each way to write its first
    letters. None for a text that has no ASCII.

    A range ends before the next ASCII character, because an encoding may lack any other.
    """
    ways: list[list[str]] = []
    number = 1
    for character in text:
        if len(ways) >= MAX_PREFIX and _has_next(ways[-1][0]):
            break
        cases = list(dict.fromkeys((character.lower(), character.upper()))) if character.isascii() else [character]
        number *= len(cases)
        if number > MAX_SPANS:
            break
        ways.append(cases)
    while ways and not _has_next(ways[-1][0]):
        ways.pop()
    if ways:
        for letters in product(*ways):
            first = "".join(letters)
            yield first, first[:-1] + chr(ord(first[-1]) + 1)


def _has_next(character: str) -> bool:
    """Return True if the next character is ASCII."""
    return character < "\x7f"


def ascii_lower(text: str) -> str:
    """Return the text with its ASCII in lower case, as `lower(… COLLATE "C")` does."""
    return "".join(character.lower() if character.isascii() else character for character in text)


def _by(column: LiteralString) -> str:
    return query("trace_by").format(columns=COLUMNS, column=column)


def _rows(connection: psycopg.Connection, statement: str, values: dict[str, Any]) -> list[TracedEvent]:
    try:
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(sql.SQL(statement), values).fetchall()
    except pg.UntranslatableCharacter:  # the database's encoding lacks a character of the text: no row has it
        return []
