"""The connection: how it is opened, how long it may hang, and what each failure means."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, LiteralString

import psycopg
from psycopg import conninfo
from psycopg import errors as pg
from psycopg.sql import SQL, Identifier, Literal

from collector.config.renewable import text_of
from collector.errors import BadRowError, StoreUnavailableError
from collector.store.database.refusals import refusal_of
from collector.store.database.sql import query
from duckwatch.base.resources import shortage_now, shortage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.sql import Composed

    from collector.config.renewable import Connectable
    from collector.store.database.refusals import Refusal

HANG_SECONDS = 60.0
"""A statement without an answer for this long is broken off: the peer hangs, or a proxy holds a dead connection."""

CONNECT_SECONDS = 10.0

BAD_ROW_CLASSES = frozenset({"22", "23", "54"})
"""SQLSTATE classes that blame a row: data exception, integrity, program limit."""

KINDS = {
    "08": "connection",
    "0A": "not_supported",
    "25006": "read_only",
    "25P03": "timeout",
    "25P04": "timeout",
    "28": "authentication",
    "3D000": "missing_database",
    "3F000": "missing_table",
    "40": "conflict",
    "42": "definition",
    "42501": "permission",
    "42703": "missing_column",
    "42P01": "missing_table",
    "53": "resources",
    "53100": "disk_full",
    "55": "not_ready",
    "55P03": "timeout",
    "57": "connection",
    "57014": "timeout",
    "P0": "raised",
}
"""Errors that blame no row, by SQLSTATE or its class.

The value is the bounded label of `duckwatch_store_errors_total`, and the word of /readyz.
"""

FORMS = {"DateStyle": "ISO", "IntervalStyle": "postgres"}
"""The DateStyle of every session: psycopg reads no other.

A role or a database may have been given another (ALTER … SET).
"""


def connect(dsn: Connectable, timeout_seconds: float = CONNECT_SECONDS) -> psycopg.Connection:
    """Open a connection that notices a dead peer, and that is the same whatever the role's and the database's settings
    are. Raise `StoreUnavailableError`.
    """
    whole = conninfo.make_conninfo(
        text_of(dsn),
        connect_timeout=max(2, int(timeout_seconds)),  # 0 would be no limit, and 1 is 2 to libpq
        application_name="duckwatch-collector",
        keepalives=1,
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        tcp_user_timeout=30000,
        client_encoding="UTF8",  # what COPY is given
    )
    try:
        # A transaction pooler gives each transaction another server connection: no prepared statements.
        connection = psycopg.connect(whole, prepare_threshold=None)
    except pg.ConnectionTimeout as error:
        raise StoreUnavailableError("connection", type(error).__name__) from None
    except psycopg.Error as error:
        if (word := shortage_now()) is not None:
            raise StoreUnavailableError(word, "this machine has too little of it for a connection") from None
        raise _refused(refusal_of(whole, timeout_seconds), error) from None
    except OSError as error:  # psycopg waits by a descriptor of its own
        raise StoreUnavailableError(shortage_of(error) or "connection", type(error).__name__) from None
    # Who waits for a lock of another's and goes on must see what that one wrote.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    _set_forms(connection)
    return connection


def _set_forms(connection: psycopg.Connection) -> None:
    """Set what is otherwise. A transaction pooler carries these two along: the server reports them to clients."""
    for name, form in FORMS.items():
        current = connection.info.parameter_status(name)
        if current is not None and not current.startswith(form):
            try:
                with deadline(connection, HANG_SECONDS):
                    connection.execute(SQL("SET {} = {}").format(Identifier(name), Literal(form)))
                    connection.commit()
            except psycopg.Error as error:
                connection.close()
                raise translate(error) from None


def unbound(connection: psycopg.Connection) -> None:
    """Take away the times that a role may be given for its statements:
    they would end a migration or a job half-way, each time anew. For a session with the server itself.
    Raises `psycopg.Error`.
    """
    connection.execute(query("unbound"))
    if not connection.autocommit:
        connection.commit()


def _refused(refusal: Refusal, error: psycopg.Error) -> StoreUnavailableError:
    """Say why there is no connection. Of several hosts, the first that answers with more than "not now" is the one to
    look at.
    """
    kinds = [(kind_of(sqlstate), sqlstate) for sqlstate in refusal.sqlstates]
    for kind, sqlstate in sorted(kinds, key=lambda one: one[0] == "connection"):
        return StoreUnavailableError(kind, f"SQLSTATE {sqlstate}", sqlstate)
    if refusal.wants_password:
        return StoreUnavailableError("authentication", "the server asks for a password")
    if refusal.is_other_state:
        return StoreUnavailableError("read_only", "no server is in the state of target_session_attrs")
    return StoreUnavailableError("connection", type(error).__name__)


def kind_of(sqlstate: str) -> str:
    """Return the word for a SQLSTATE: by itself, or by its class."""
    return KINDS.get(sqlstate) or KINDS.get(sqlstate[:2]) or "other"


def translate(error: psycopg.Error) -> StoreUnavailableError | BadRowError:
    """Says what the failure means. The text of the server is not carried on: its DETAIL quotes rows."""
    sqlstate = error.sqlstate
    if sqlstate is None:
        return StoreUnavailableError("connection", type(error).__name__)
    if sqlstate[:2] in BAD_ROW_CLASSES:
        return BadRowError(sqlstate, f"SQLSTATE {sqlstate}")
    return StoreUnavailableError(kind_of(sqlstate), f"SQLSTATE {sqlstate}", sqlstate)


def cut(connection: psycopg.Connection) -> None:
    """Shuts the connection's socket down, from any thread: whoever waits on it gets an error at once."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=connection.fileno()) as peer:
        try:
            peer.shutdown(socket.SHUT_RDWR)
        finally:
            peer.detach()  # libpq owns the descriptor


@contextlib.contextmanager
def deadline(connection: psycopg.Connection, seconds: float) -> Iterator[None]:
    """Cut the connection when the block takes longer: libpq waits for ever on a peer that is silent but alive."""
    timer = threading.Timer(seconds, cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def scalar(connection: psycopg.Connection, statement: LiteralString | Composed, *parameters: object) -> object:
    """Return the first column of the first row, None when there is none."""
    row = connection.execute(statement, parameters or None).fetchone()
    return None if row is None else row[0]
