"""The tables and columns that name people, and how one person is found and forgotten (docs/privacy.md).

Each table is in `PERSONAL` or in `IMPERSONAL`; a test fails for a table that is in neither.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql

from collector.errors import StoreUnavailableError
from collector.store.database.commits import Commits
from collector.store.database.connection import scalar
from collector.store.database.encoding import lacking
from collector.store.database.sessions import open_session
from collector.store.migrations import require_ours

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from collector.store.people.spelling import Person

_AT_ONCE: Final = 1000
"""Rows fetched at a time."""

_FEW: Final = 1000
"""Up to this many rows of a day are changed one by one, by their keys."""

_DAY: Final = timedelta(days=1)


class PersonalTable(NamedTuple):
    """A table whose rows name people. It is read a day at a time by the column `time`, or whole if that is None."""

    name: str
    time: str | None
    addresses: tuple[str, ...] = ()
    """Columns that hold one address or user name: a row with the person in one of them is *about* the person."""
    texts: tuple[str, ...] = ()
    """Text columns that may quote an address."""
    documents: tuple[str, ...] = ()
    """jsonb columns that may quote an address."""
    emptied: tuple[str, ...] = ()
    """Columns that are set to null in rows about the person."""
    patterns: tuple[str, ...] = ()
    """Columns in which the mailbox's name may occur without its domain, in rows about the person."""
    names: tuple[str, ...] = ()
    """Columns in which the mailbox's name may occur without its domain, in any row."""
    key: tuple[str, ...] = ()
    """Columns that identify one row, if rows may be compressed; see `_parts`."""
    is_deleted: bool = False
    """Whether a row that names the person is deleted as a whole."""


PERSONAL: Final = (
    PersonalTable(
        "mail_events",
        "time",
        addresses=("sender", "return_path", "recipient", "auth_user"),
        texts=("sender", "return_path", "message_id", "response", "drop_reason", "interface", "category", "mx_host"),
        documents=("raw",),
        emptied=("message_id", "response", "fbl_id", "subject_hmac", "raw"),
        patterns=("response_pattern", "drop_reason"),
        key=("time", "event_id", "cluster", "action"),
    ),
    # A waiting event becomes a row of mail_events within the hour.
    PersonalTable("held_events", None, documents=("event",)),
    PersonalTable("queue_entries", None, addresses=("recipient",), texts=("response",), emptied=("response",)),
    PersonalTable(
        "auth_events", "time", addresses=("user_id", "username"), documents=("raw",), emptied=("source_ip", "raw")
    ),
    PersonalTable(
        "audit_events", "time", addresses=("user_id",), documents=("raw",), emptied=("mailbox", "message", "raw")
    ),
    PersonalTable("dead_letters", None, texts=("raw",), is_deleted=True),
    # After mail_events, from which the buckets are built again.
    PersonalTable("pattern_stats_1h", "bucket", names=("response_pattern",)),
    PersonalTable("pattern_stats_1h_erased", "bucket", names=("response_pattern",)),
    PersonalTable("reply_patterns", None, names=("response_pattern",), is_deleted=True),
)

IMPERSONAL: Final = frozenset({
    "schema_migrations", "plugin_reports", "mail_stats_15s", "mail_stats_5m", "mail_stats_1h", "domain_stats_5m",
    "domain_stats_1h", "touched_buckets", "stale_buckets", "retention_horizons", "known_chunks",
    "mail_stats_15s_erased", "mail_stats_5m_erased", "domain_stats_5m_erased", "dnsbl_results", "change_feeds",
    "queue_snapshots", "attempt_stats_5m", "attempt_stats_1h", "attempt_stats_5m_erased", "recipient_stats_1h",
    "recipient_stats_1h_erased", "pending_complaints", "attempt_stats_1d", "provider_stats_5m", "provider_stats_1h",
    "recipient_stats_1d", "zone_stats_5m", "zone_stats_1h",
})  # fmt: skip
"""Tables that name no person: counts, domains, addresses of hosts and names of hosts."""


class People:
    """The people of one database. Methods raise `StoreUnavailableError`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def lacking(self, characters: Iterable[str]) -> frozenset[str]:
        """Return those of the characters that the database's encoding lacks."""
        beyond_ascii = [one for one in characters if not one.isascii()]
        if not beyond_ascii:
            return frozenset()
        with open_session(self._dsn) as connection:
            return lacking(connection, beyond_ascii)

    def rows(self, person: Person) -> Iterator[tuple[str, str]]:
        """Yield each row that names the person: its table, and the row as JSON text."""
        with open_session(self._dsn) as connection:
            for table, window in _walk(connection):
                statement = sql.SQL("SELECT to_jsonb(t)::text FROM {} t WHERE {} AND {}").format(
                    sql.Identifier(table.name), window, _stands_in(table, person)
                )
                with connection.cursor(name="people") as cursor:
                    cursor.itersize = _AT_ONCE
                    for (row,) in cursor.execute(statement):
                        yield table.name, row
                connection.commit()

    def forget(self, person: Person) -> dict[str, int]:
        """Remove the person from every table, one day of it in a transaction; return the number of changed rows by
        table.
        """
        changed = dict.fromkeys((table.name for table in PERSONAL), 0)
        with open_session(self._dsn) as connection:
            left = deque(_walk(connection))
        commits: Commits[int] = Commits()
        while left:
            try:
                with open_session(self._dsn) as connection:
                    while left:
                        table, window = left[0]
                        changed[table.name] += commits.run(connection, partial(_forget, table, person, window))
                        left.popleft()
            except StoreUnavailableError:
                rows = commits.settle_by(self._dsn)
                if rows is None:
                    raise
                # The reply to this COMMIT was lost, but it happened: the work continues in another session.
                changed[left.popleft()[0].name] += rows
        return changed


def _forget(table: PersonalTable, person: Person, window: sql.Composable, cursor: psycopg.Cursor) -> int:
    """Remove the person from a window of a table, in the open transaction; return the number of changed rows."""
    # With the default limit, TimescaleDB refuses to change a whole compressed chunk.
    cursor.execute(
        "SELECT set_config(name, '0', true) FROM pg_settings"
        " WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'"
    )
    parts = _parts(cursor, table, person, window)
    for part in parts:
        _mark(cursor, table, person, part)
    return sum(cursor.execute(_forgets(table, person, part)).rowcount for part in parts)


def _mark(cursor: psycopg.Cursor, table: PersonalTable, person: Person, part: sql.Composable) -> None:
    """Mark the buckets that count a pattern which is about to change, so that the roll-ups' job builds them again."""
    named = [_names(column, person) for column in (*table.patterns, *table.names)]
    if table.time is None or person.alone is None or not named:
        return
    where = sql.SQL("{} AND {} AND ({})").format(part, _stands_in(table, person), sql.SQL(" OR ").join(named))
    statement = sql.SQL("INSERT INTO touched_buckets SELECT DISTINCT {} FROM {} t WHERE {}")
    cursor.execute(statement.format(_column(table.time), sql.Identifier(table.name), where))


def _parts(
    cursor: psycopg.Cursor, table: PersonalTable, person: Person, window: sql.Composable
) -> list[sql.Composable]:
    """Return the conditions by which to change a window's rows: their keys, if the rows are few.

    TimescaleDB decompresses the batches that may match a condition on the order columns. The person's own conditions
    are on other columns: without keys, a whole day would be decompressed for one row.
    """
    if not table.key:
        return [window]
    key = sql.SQL(", ").join(map(sql.Identifier, table.key))
    statement = sql.SQL("SELECT {} FROM {} t WHERE {} AND {} LIMIT {}").format(
        key, sql.Identifier(table.name), window, _stands_in(table, person), _FEW + 1
    )
    rows = cursor.execute(statement).fetchall()
    if len(rows) > _FEW:
        return [window]
    return [
        sql.SQL(" AND ").join(
            [sql.SQL("{} = {}").format(_column(n), sql.Literal(v)) for n, v in zip(table.key, row, strict=True)]
        )
        for row in rows
    ]


def _forgets(table: PersonalTable, person: Person, part: sql.Composable) -> sql.Composed:
    name, where = sql.Identifier(table.name), sql.SQL("{} AND {}").format(part, _stands_in(table, person))
    if table.is_deleted:
        return sql.SQL("DELETE FROM {} t WHERE {}").format(name, where)
    return sql.SQL("UPDATE {} t SET {} WHERE {}").format(name, _forgetting(table, person), where)


def _walk(connection: psycopg.Connection) -> Iterator[tuple[PersonalTable, sql.Composable]]:
    """Yield each existing table with a condition for a part of it, a day at a time.

    Raise `StoreUnavailableError` if `mail_events` is missing, so that a wrong DSN is not reported as "0 rows". Raise
    `ForeignTableError` beside another program's migrations.
    """
    require_ours(connection)
    if scalar(connection, "SELECT to_regclass(%s)", PERSONAL[0].name) is None:
        raise StoreUnavailableError("missing_table", f"there is no table {PERSONAL[0].name}")
    for table in PERSONAL:
        if scalar(connection, "SELECT to_regclass(%s)", table.name) is None:
            continue
        if table.time is None:
            yield table, sql.SQL("true")
            continue
        column, name = sql.Identifier(table.time), sql.Identifier(table.name)
        ends: Any = connection.execute(sql.SQL("SELECT min({0}), max({0}) FROM {1}").format(column, name)).fetchone()
        yield from ((table, window) for window in _days(column, *ends))


def _days(column: sql.Composable, oldest: datetime | None, newest: datetime | None) -> Iterator[sql.Composable]:
    if oldest is None or newest is None:
        return
    # Newest first; rows that arrive meanwhile are not part of this run.
    while newest >= oldest:
        start = newest - _DAY
        yield sql.SQL("t.{0} > {1} AND t.{0} <= {2}").format(column, sql.Literal(start), sql.Literal(newest))
        newest = start


def _column(name: str) -> sql.Composable:
    return sql.SQL("t.{}").format(sql.Identifier(name))


def _names(column: str, person: Person) -> sql.Composable:
    return sql.SQL("{} ~ {}").format(_column(column), sql.Literal(person.alone))


def _is_it(column: sql.Composable, person: Person) -> sql.Composable:
    """Return the condition that the column's value is the person."""
    # COLLATE "C" changes the case of ASCII alone, in every locale; `spelt` covers the rest.
    is_it = sql.SQL('lower({} COLLATE "C") = ANY ({})').format(column, sql.Literal(list(person.whole)))
    if person.spelt is not None:
        is_it = sql.SQL("({} OR {} ~ {})").format(is_it, column, sql.Literal(person.spelt))
    return is_it


def _is_about(table: PersonalTable, person: Person) -> sql.Composable:
    tests = [_is_it(_column(name), person) for name in table.addresses]
    # A null column does not name the person.
    return sql.SQL("coalesce({}, false)").format(sql.SQL(" OR ").join([*tests, sql.SQL("false")]))


def _stands_in(table: PersonalTable, person: Person) -> sql.Composable:
    found = [_is_about(table, person)]
    columns = [sql.SQL("{}::text").format(_column(name)) for name in (*table.texts, *table.documents)]
    if person.quoted and columns:
        every = sql.SQL("concat_ws(' ', {})").format(sql.SQL(", ").join(columns))
        # The cheap test comes first: most rows contain none of the needles.
        near = [
            sql.SQL('strpos(lower({} COLLATE "C"), {}) > 0').format(every, sql.Literal(needle))
            for needle in person.needles
        ]
        exact = [sql.SQL("{} ~ {}").format(every, sql.Literal(pattern)) for pattern, _ in person.quoted]
        found.append(
            sql.SQL("CASE WHEN {} THEN {} ELSE false END").format(
                sql.SQL(" OR ").join(near), sql.SQL(" OR ").join(exact)
            )
        )
    if person.alone is not None:
        found += [_names(name, person) for name in table.names]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(found))


def _forgetting(table: PersonalTable, person: Person) -> sql.Composable:
    """Return the assignments for each column of a row that names the person."""
    columns = dict.fromkeys(
        (*table.addresses, *table.texts, *table.documents, *table.emptied, *table.patterns, *table.names)
    )
    return sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), _forgotten(table, name, person)) for name in columns
    )


def _forgotten(table: PersonalTable, name: str, person: Person) -> sql.Composable:
    column, value = _column(name), _column(name)
    if name in (*table.texts, *table.documents):
        value = sql.SQL("{}::text").format(column)
        for pattern, replacement in person.quoted:
            value = sql.SQL("regexp_replace({}, {}, {}, 'g')").format(
                value, sql.Literal(pattern), sql.Literal(replacement)
            )
        if name in table.documents:
            value = sql.SQL("{}::jsonb").format(value)
    about = _is_about(table, person)
    if name in table.emptied:
        return sql.SQL("CASE WHEN {} THEN NULL ELSE {} END").format(about, value)
    if name in table.names and person.alone is not None:
        return sql.SQL("regexp_replace({}, {}, '<id>', 'g')").format(column, sql.Literal(person.alone))
    if name in table.patterns and person.alone is not None:
        alone = sql.Literal(person.alone)
        value = sql.SQL("CASE WHEN {0} THEN regexp_replace({1}, {2}, '<id>', 'g') ELSE {1} END").format(
            about, value, alone
        )
    if name in table.addresses:
        return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(
            _is_it(column, person), sql.Literal(person.forgotten), value
        )
    return value
