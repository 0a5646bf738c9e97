"""A COMMIT without a reply: the server has committed, or has not received it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from collector.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector.events.model.batch import Batch
    from collector.store.writing.batch_write import PostgresStore

_commit = psycopg.Connection.commit


def write_without_reply(store: PostgresStore, batch: Batch) -> None:
    """Write a batch that the server commits, but whose reply is lost."""
    with _commits_by(_commit), pytest.raises(StoreUnavailableError):
        store.write(batch)


def write_without_commit(store: PostgresStore, batch: Batch) -> None:
    """Write a batch whose connection breaks before the COMMIT reaches the server."""
    with _commits_by(psycopg.Connection.close), pytest.raises(StoreUnavailableError):
        store.write(batch)


@contextmanager
def _commits_by(what_happens: Callable[[psycopg.Connection], None]) -> Iterator[None]:
    def commit(self: psycopg.Connection) -> None:
        what_happens(self)
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with pytest.MonkeyPatch.context() as cut:
        cut.setattr(psycopg.Connection, "commit", commit)
        yield
