"""Sessions: a connection for a piece of work that may rightly take hours, and is left when its server has fallen silent.

A deadline would cut a migration of a large table short each time anew. So a second connection looks whether the server still works.
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
    cut,
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
"""So often in a row nothing may have moved: an answer may be on its way, and a busy server may not take a connection in time."""

OUT_OF_REACH = "out of reach"


@contextlib.contextmanager
def session(dsn: Connectable, hang_seconds: float = HANG_SECONDS) -> Iterator[psycopg.Connection]:
    """Yields a connection, to the server itself, and closes it. It is cut while it waits for a server that does not work for it.

    Raises `StoreUnavailableError`: no row of ours is at fault here.
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
    """Run `work` in a transaction of a session of its own; return its result, also where the reply to the COMMIT was lost.

    Raise `StoreUnavailableError`, and what `work` raises.
    """
    commits: Commits[T] = Commits()
    try:
        with session(dsn) as connection:
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
        # Only who waits can wait in vain: between two statements the work is ours.
        is_waiting = connection.pgconn.transaction_status == TransactionStatus.ACTIVE
        seen = _stands_still(dsn, backend, hang_seconds) if is_waiting else None
        looks = 0 if seen is None else looks + 1 if seen == before else 1
        before = seen
        if looks == LOOKS and not is_over.is_set():
            cut(connection)
            return


def _stands_still(dsn: Connectable, backend: object, hang_seconds: float) -> object:
    """None while the server works for this backend; else what stays the same for as long as nothing moves."""
    seconds = min(CONNECT_SECONDS, hang_seconds)
    try:
        with contextlib.closing(connect(dsn, seconds)) as second, deadline(second, seconds):
            return scalar(second, query("stands_still"), backend)
    except StoreUnavailableError as error:
        # Any other refusal is the word of a server that is there.
        return OUT_OF_REACH if error.kind == "connection" else None
    except psycopg.Error:
        return OUT_OF_REACH
