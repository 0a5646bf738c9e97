"""The connection: how it is opened, how long it may hang, and what each failure means."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, LiteralString

import psycopg
from psycopg import errors as pg

from collector.errors import BadRowError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

HANG_SECONDS = 60.0
"""A statement without an answer for this long is broken off: the peer hangs, or a proxy holds a dead connection."""

BAD_ROW_CLASSES = frozenset({"22", "23", "54"})
"""SQLSTATE classes that blame a row (design: "HTTP of the collector"): data exception, integrity, program limit."""

KINDS: tuple[tuple[type[psycopg.Error], str], ...] = (
    (pg.DiskFull, "disk_full"),
    (pg.InsufficientResources, "resources"),
    (pg.ReadOnlySqlTransaction, "read_only"),
    (pg.InsufficientPrivilege, "permission"),
    (pg.UndefinedTable, "missing_table"),
    (pg.UndefinedColumn, "missing_column"),
    (pg.InvalidCatalogName, "missing_database"),
    (pg.InvalidAuthorizationSpecification, "authentication"),
    (pg.InvalidPassword, "authentication"),
    (pg.DeadlockDetected, "conflict"),
    (pg.SerializationFailure, "conflict"),
    (pg.QueryCanceled, "timeout"),
    (pg.LockNotAvailable, "timeout"),
    (pg.CannotConnectNow, "connection"),
    (pg.AdminShutdown, "connection"),
    (pg.CrashShutdown, "connection"),
)
"""What blames no row, by the bounded label of `duckwatch_store_errors_total`; the first that fits."""


def connect(dsn: str) -> psycopg.Connection:
    """Opens a connection that notices a dead peer. Raises `StoreUnavailableError`."""
    try:
        return psycopg.connect(
            dsn,
            connect_timeout=10,
            application_name="duckwatch-collector",
            prepare_threshold=None,  # a transaction pooler gives each transaction another server connection
            keepalives=1,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            tcp_user_timeout=30000,
        )
    except psycopg.Error as error:
        raise translate(error) from None


def translate(error: psycopg.Error) -> StoreUnavailableError | BadRowError:
    """Says what the failure means. The text of the server is not carried on: its DETAIL quotes rows."""
    sqlstate = error.sqlstate
    if sqlstate is not None and sqlstate[:2] in BAD_ROW_CLASSES:
        return BadRowError(sqlstate, f"SQLSTATE {sqlstate}")
    for kind_of_error, kind in KINDS:
        if isinstance(error, kind_of_error):
            return StoreUnavailableError(kind, f"SQLSTATE {sqlstate}")
    if sqlstate is None or sqlstate.startswith("08"):
        return StoreUnavailableError("connection", type(error).__name__)
    return StoreUnavailableError("other", f"SQLSTATE {sqlstate}")


def cut(connection: psycopg.Connection) -> None:
    """Shuts the connection's socket down, from any thread: whoever waits on it gets an error at once."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=connection.fileno()) as peer:
        try:
            peer.shutdown(socket.SHUT_RDWR)
        finally:
            peer.detach()  # libpq owns the descriptor


@contextlib.contextmanager
def deadline(connection: psycopg.Connection, seconds: float) -> Iterator[None]:
    """Cuts the connection when the block takes longer: libpq itself waits for ever on a peer that is silent but alive."""
    timer = threading.Timer(seconds, cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def session(dsn: str) -> Iterator[psycopg.Connection]:
    """Yields a connection for a short piece of work and closes it; its errors become ours."""
    connection = connect(dsn)
    try:
        yield connection
        connection.commit()
    except psycopg.Error as error:
        raise translate(error) from None
    finally:
        connection.close()


def scalar(connection: psycopg.Connection, statement: LiteralString, *parameters: object) -> object:
    """Returns the first column of the first row, None when there is none."""
    row = connection.execute(statement, parameters or None).fetchone()
    return None if row is None else row[0]
