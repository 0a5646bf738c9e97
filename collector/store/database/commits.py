"""Commits transactions. If a COMMIT gets no reply, a new connection finds out whether it happened.

Code that counts or reports what a transaction did commits through `Commits`, so that a lost reply makes no number
wrong.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

import psycopg
from psycopg import errors as pg

from collector.errors import StoreUnavailableError
from collector.store.database.connection import HANG_SECONDS, connect, deadline, scalar, translate

if TYPE_CHECKING:
    from collections.abc import Callable

    Proof = Callable[[psycopg.Connection, str], bool]

T = TypeVar("T")

SETTLE_SECONDS: Final = 30.0
"""How long a command waits for a database that was lost during its COMMIT: a restart takes a few seconds."""

SETTLE_PAUSE_SECONDS: Final = 0.5


def always(connection: psycopg.Connection, transaction: str) -> bool:
    """Prove a transaction that leaves no row behind by its status alone."""
    del connection, transaction
    return True


class PendingCommit(NamedTuple, Generic[T]):
    """A transaction that is ready to commit: its number, its result, and its proof.

    After a failover or a crash, the number of a transaction that never reached the disk is given to another one. The
    status alone therefore proves nothing: `proof(connection, transaction)` looks for a row that only this transaction
    wrote. It may raise `psycopg.Error`.
    """

    transaction: str
    result: T
    proof: Proof = always


class Commits(Generic[T]):
    """Commits the transactions of one thread. At most one is in doubt: call `settle` before the next one."""

    def __init__(self) -> None:
        self._doubt: PendingCommit[T] | None = None

    @property
    def is_in_doubt(self) -> bool:
        """True while it is unknown whether the last transaction was committed."""
        return self._doubt is not None

    def commit(self, connection: psycopg.Connection, pending: PendingCommit[T]) -> T:
        """Commit the open transaction, and return its result.

        Raise `psycopg.Error`: then `settle`, on a new connection, finds out whether the transaction was committed.
        """
        self._doubt = pending
        connection.commit()
        self._doubt = None
        return pending.result

    def run(self, connection: psycopg.Connection, work: Callable[[psycopg.Cursor], T], proof: Proof = always) -> T:
        """Run `work` in a transaction of its own and commit it.

        Raise what `work` raises, after a rollback, and `psycopg.Error` as `commit` does.
        """
        with connection.transaction(), connection.cursor() as cursor:
            result = work(cursor)
            transaction = str(scalar(connection, "SELECT pg_current_xact_id()::text"))
            self._doubt = PendingCommit(transaction, result, proof)  # the last step before COMMIT
        self._doubt = None
        return result

    def settle(self, connection: psycopg.Connection) -> T | None:
        """Return the result of the transaction in doubt if it was committed; None if it was not, or if there is no
        doubt.

        `connection` has no open transaction. Raise `psycopg.Error`, and `StoreUnavailableError` while the transaction
        is still open: the doubt remains then.
        """
        if self._doubt is None:
            return None
        is_committed = _is_committed(connection, self._doubt)
        doubt, self._doubt = self._doubt, None
        return doubt.result if is_committed else None

    def settle_by(self, dsn: str, seconds: float = SETTLE_SECONDS) -> T | None:
        """Settle on new connections, and retry until the database answers.

        Raise `StoreUnavailableError` if it does not answer in time.
        """
        until = time.monotonic() + seconds
        while self._doubt is not None:
            try:
                with contextlib.closing(connect(dsn)) as connection, deadline(connection, HANG_SECONDS):
                    return self.settle(connection)
            except psycopg.Error as error:
                if time.monotonic() > until:
                    raise translate(error) from None
            except StoreUnavailableError:
                if time.monotonic() > until:
                    raise
            time.sleep(SETTLE_PAUSE_SECONDS)
        return None


def _is_committed(connection: psycopg.Connection, doubt: PendingCommit[T]) -> bool:
    """Return True if the doubtful COMMIT happened and is as durable as any other."""
    try:
        status = scalar(connection, "SELECT pg_xact_status(%s::xid8)", doubt.transaction)
    except pg.DataError:  # "in the future": a server that never had it
        status = "aborted"
    connection.rollback()
    if status == "in progress":
        raise StoreUnavailableError("in_doubt", "the transaction is still open")
    if status == "aborted":
        return False
    try:
        is_proved = doubt.proof(connection, doubt.transaction)
    except (pg.FeatureNotSupported, pg.InvalidColumnReference):  # 2.23, 2.29
        # A compressed chunk of TimescaleDB shows no xmin. Writing the batch again doubles nothing; at worst the
        # counters miss a late batch.
        is_proved = False
    connection.rollback()
    if is_proved:
        # A restarted primary shows rows that its synchronous standby never received. The next commit waits until the
        # standby has both.
        connection.execute("SELECT pg_logical_emit_message(true, 'duckwatch', '')")
        connection.commit()
    return is_proved
