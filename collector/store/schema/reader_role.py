"""The dashboards' role: what it may read, and what is wrong with it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg import errors as pg
from psycopg import sql

from collector.store.database.connection import scalar
from collector.store.database.sql import query
from collector.store.migrations import LOCK_KEY

if TYPE_CHECKING:
    from datetime import timedelta

    import psycopg

ROLE: Final = "duckwatch_reader"

READABLE: Final = (
    "mail_events",
    "plugin_reports",
    "queue_snapshots",
    "mail_stats_15s",
    "mail_stats_5m",
    "mail_stats_1h",
    "domain_stats_5m",
    "domain_stats_1h",
    "attempt_stats_5m",
    "attempt_stats_1h",
    "attempt_stats_1d",
    "provider_stats_5m",
    "provider_stats_1h",
    "zone_stats_5m",
    "zone_stats_1h",
    "recipient_stats_1h",
    "recipient_stats_1d",
    "pattern_stats_1h",
    "reply_patterns",
    "dnsbl_results",
    "dnsbl_current",
    "auth_attempts",
)
"""The relations that dashboards may read.

A relation that this database lacks is skipped. `dead_letters` is never readable, and of logins only columns without
names of people.
"""


class ReaderFault(StrEnum):
    """What is wrong with the role. `advice` says what to do."""

    MISSING = "missing"
    GRANTS = "grants"
    TEMPORARY = "temporary"
    SIGNAL = "signal"

    @property
    def advice(self) -> str:
        """Return what to do about it, as a sentence for an operator."""
        return _ADVICE[self]


_ADVICE: Final = {
    ReaderFault.MISSING: f"there is no role {ROLE}, and this role may not make one; as an administrator: "
    f"CREATE ROLE {ROLE} LOGIN CONNECTION LIMIT 20; the next start grants it what dashboards read",
    ReaderFault.GRANTS: f"{ROLE} lacks grants that this role may not give; "
    f"as the owner of the database and of its relations: GRANT CONNECT ON DATABASE …, GRANT USAGE ON SCHEMA …, "
    f"GRANT SELECT ON {', '.join(READABLE)} TO {ROLE}",
    ReaderFault.TEMPORARY: f"{ROLE} may make tables, and so fill the disk; as the owner of the database: "
    "GRANT TEMPORARY ON DATABASE … to the roles that write, REVOKE TEMPORARY ON DATABASE … FROM PUBLIC, "
    "REVOKE CREATE ON SCHEMA … FROM PUBLIC",
    ReaderFault.SIGNAL: f"the collector may not end long queries of {ROLE}; "
    f"as an administrator: GRANT {ROLE} TO the collector's role",
}


class _State(NamedTuple):
    may_connect: bool
    may_use_schema: bool
    may_make_tables: bool
    can_be_ended: bool
    unreadable: list[str]

    @property
    def lacks_grants(self) -> bool:
        return not (self.may_connect and self.may_use_schema) or bool(self.unreadable)


def complete_reader_role(connection: psycopg.Connection) -> list[ReaderFault]:
    """Grant the role what it lacks, where the collector may, and return the remaining faults.

    This needs no rights if nothing is missing. The caller commits. Raise `psycopg.Error`.
    """
    state = _state(connection)
    if state is not None and state.lacks_grants:
        try:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
                _grant(connection, state)
        except pg.InsufficientPrivilege:
            pass
        state = _state(connection)
    return list(_faults(state))


def faults_of(connection: psycopg.Connection) -> list[ReaderFault]:
    """Return the faults, and change nothing. Raise `psycopg.Error`."""
    return list(_faults(_state(connection)))


def may_log_in(connection: psycopg.Connection) -> tuple[bool, bool | None]:
    """Return whether the role may log in, and whether it has a password (None: the collector may not see that).

    Raise `psycopg.Error`.
    """
    can_log_in = scalar(connection, "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", ROLE) is True
    if not scalar(connection, "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')"):
        return can_log_in, None
    return can_log_in, scalar(connection, "SELECT rolpassword FROM pg_authid WHERE rolname = %s", ROLE) is not None


def end_long_queries(connection: psycopg.Connection, longest: timedelta) -> int:
    """End the role's sessions that take longer or hold an advisory lock; return their number. Raise `psycopg.Error`."""
    return len(connection.execute(query("reader_end"), (longest,)).fetchall())


def _state(connection: psycopg.Connection) -> _State | None:
    if not scalar(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", ROLE):
        return None
    row: Any = connection.execute(query("reader_state"), (list(READABLE),)).fetchone()
    return _State(*row)


def _faults(state: _State | None) -> list[ReaderFault]:
    if state is None:
        return [ReaderFault.MISSING]
    known = {
        ReaderFault.GRANTS: state.lacks_grants,
        ReaderFault.TEMPORARY: state.may_make_tables,
        ReaderFault.SIGNAL: not state.can_be_ended,
    }
    return [fault for fault, is_there in known.items() if is_there]


def _grant(connection: psycopg.Connection, state: _State) -> None:
    role = sql.Identifier(ROLE)
    if not state.may_connect:
        database = sql.Identifier(str(scalar(connection, "SELECT current_database()")))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role))
    if not state.may_use_schema:
        schema = sql.Identifier(str(scalar(connection, "SELECT current_schema()")))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))
    for relation in state.unreadable:
        connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(relation), role))
