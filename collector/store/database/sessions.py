"""Sessions: connections for work that may take hours, given up when the server stops working for them.

A deadline would cut the migration of a large table short at every attempt. Instead, a second connection checks whether
the server still works.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from collector.errors import StoreUnavailableError
from collector.store.database.commits import Commits
from collector.store.database.connection import (
    CONNECT_SECONDS,
    HANG_SECONDS,
    connect,
    cut_connection,
    deadline,
    scalar,
    translate,
    unbound,
)
from collector.store.database.sql import query
from collector.store.database.tiers import reach_extension

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector.config.renewable import Connectable


T = TypeVar("T")

LOOKS = 3
"""How many checks in a row may find no progress: an answer may be on its way, and a busy server may not accept a
connection in time.
"""

OUT_OF_REACH = "out of reach"


@contextlib.contextmanager
def open_session(dsn: Connectable, hang_seconds: float = HANG_SECONDS) -> Iterator[psycopg.Connection]:
    """Yield a connection to the server itself, and close it afterwards. Cut it when the server stops working for it.

    Raise `StoreUnavailableError`: no row of ours is at fault here.
    """
    connection = connect(dsn)
    is_over = threading.Event()
    try:
        with deadline(connection, hang_seconds):
            unbound(connection)
            backend = scalar(connection, "SELECT pg_backend_pid()")
            reach_extension(connection)
        watching = (connection, dsn, backend, hang_seconds, is_over)
        threading.Thread(target=_watch, args=watching, name="session-watch", daemon=True).start()
        yield connection
        connection.commit()
    except psycopg.Error as error:
        found = translate(error)
        raise (
            found
            if isinstance(found, StoreUnavailableError)
            else StoreUnavailableError("other", str(found), found.sqlstate)
        ) from None
    finally:
        is_over.set()
        connection.close()


def committed(dsn: str, work: Callable[[psycopg.Cursor], T]) -> T:
    """Run `work` in a transaction of its own session; return its result, even if the reply to the COMMIT was lost.

    Raise `StoreUnavailableError`, and what `work` raises.
    """
    commits: Commits[T] = Commits()
    try:
        with open_session(dsn) as connection:
            return commits.run(connection, work)
    except StoreUnavailableError:
        result = commits.settle_by(dsn)
        if result is None:
            raise
        return result


def _watch(
    connection: psycopg.Connection, dsn: Connectable, backend: object, hang_seconds: float, is_over: threading.Event
) -> None:
    before: object = None
    looks = 0
    while not is_over.wait(hang_seconds):
        # A connection can hang only while a statement runs; between statements there is nothing to watch.
        is_waiting = connection.pgconn.transaction_status == TransactionStatus.ACTIVE
        seen = _backend_state(dsn, backend, hang_seconds) if is_waiting else None
        looks = 0 if seen is None else looks + 1 if seen == before else 1
        before = seen
        if looks == LOOKS and not is_over.is_set():
            cut_connection(connection)
            return


def _backend_state(dsn: Connectable, backend: object, hang_seconds: float) -> object:
    """Return None while the server works for this backend; else a text that stays the same until something changes."""
    seconds = min(CONNECT_SECONDS, hang_seconds)
    try:
        with contextlib.closing(connect(dsn, seconds)) as second, deadline(second, seconds):
            return scalar(second, query("backend_state"), backend)
    except StoreUnavailableError as error:
        # A server that refuses for another reason is alive.
        return OUT_OF_REACH if error.kind == "connection" else None
    except psycopg.Error:
        return OUT_OF_REACH
