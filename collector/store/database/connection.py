"""Opens connections, limits how long they may hang, and translates their errors."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, LiteralString

import psycopg
from psycopg import conninfo
from psycopg import errors as pg
from psycopg.sql import SQL, Identifier, Literal

from collector.config.renewable import dsn_text
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
"""A statement without an answer for this long is cancelled: the peer hangs, or a proxy holds a dead connection."""

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
"""The kinds of errors that blame no row, by SQLSTATE or its class.

The kind is the label of `duckwatch_store_errors_total`, and the trouble in `/readyz`.
"""

FORMS = {"DateStyle": "ISO", "IntervalStyle": "postgres"}
"""Settings of every session that psycopg needs to read dates and intervals.

A role or a database may have others (ALTER … SET).
"""


def connect(dsn: Connectable, timeout_seconds: float = CONNECT_SECONDS) -> psycopg.Connection:
    """Open a connection that notices a dead peer, and that does not depend on the settings of role and database.
    Raise `StoreUnavailableError`.
    """
    whole = conninfo.make_conninfo(
        dsn_text(dsn),
        connect_timeout=max(2, int(timeout_seconds)),  # 0 would be no limit, and 1 is 2 to libpq
        application_name="duckwatch-collector",
        keepalives=1,
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        tcp_user_timeout=30000,
        client_encoding="UTF8",  # the encoding of the COPY text
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
    # A session that has waited for a lock must see the rows of the session that held it.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    _set_forms(connection)
    return connection


def _set_forms(connection: psycopg.Connection) -> None:
    """Set FORMS if they differ. A transaction pooler keeps these two settings, because the server reports them."""
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
    """Remove the time limits that a role may have for its statements: they would end a migration or a job half-way
    each time. Only for a session with the server itself, not through a pooler. Raise `psycopg.Error`.
    """
    connection.execute(query("unbound"))
    if not connection.autocommit:
        connection.commit()


def _refused(refusal: Refusal, error: psycopg.Error) -> StoreUnavailableError:
    """Return the error for a connection that failed. If several hosts answered, the first permanent refusal counts."""
    kinds = [(kind_of(sqlstate), sqlstate) for sqlstate in refusal.sqlstates]
    for kind, sqlstate in sorted(kinds, key=lambda one: one[0] == "connection"):
        return StoreUnavailableError(kind, f"SQLSTATE {sqlstate}", sqlstate)
    if refusal.wants_password:
        return StoreUnavailableError("authentication", "the server asks for a password")
    if refusal.is_other_state:
        return StoreUnavailableError("read_only", "no server is in the state of target_session_attrs")
    return StoreUnavailableError("connection", type(error).__name__)


def kind_of(sqlstate: str) -> str:
    """Return the kind of an error, by its SQLSTATE or its class."""
    return KINDS.get(sqlstate) or KINDS.get(sqlstate[:2]) or "other"


def translate(error: psycopg.Error) -> StoreUnavailableError | BadRowError:
    """Return our error for the driver's. The server's text is left out, because its DETAIL quotes rows."""
    sqlstate = error.sqlstate
    if sqlstate is None:
        return StoreUnavailableError("connection", type(error).__name__)
    if sqlstate[:2] in BAD_ROW_CLASSES:
        return BadRowError(sqlstate, f"SQLSTATE {sqlstate}")
    return StoreUnavailableError(kind_of(sqlstate), f"SQLSTATE {sqlstate}", sqlstate)


def cut_connection(connection: psycopg.Connection) -> None:
    """Shut the connection's socket down, from any thread. A thread that waits for an answer gets an error at once."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=connection.fileno()) as peer:
        try:
            peer.shutdown(socket.SHUT_RDWR)
        finally:
            peer.detach()  # libpq owns the descriptor


@contextlib.contextmanager
def deadline(connection: psycopg.Connection, seconds: float) -> Iterator[None]:
    """Cut the connection if the block takes longer. libpq itself waits for ever for a peer that is silent but alive."""
    timer = threading.Timer(seconds, cut_connection, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def scalar(connection: psycopg.Connection, statement: LiteralString | Composed, *parameters: object) -> object:
    """Return the first column of the first row, or None if there is no row."""
    row = connection.execute(statement, parameters or None).fetchone()
    return None if row is None else row[0]
