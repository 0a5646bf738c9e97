"""Sessions: a silent server is given up, a working one is waited for, however long it takes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo

from collector.errors import StoreUnavailableError
from collector.store.database.connection import scalar
from collector.store.database.sessions import LOOKS, open_session
from collector.store.migrations import LOCK_KEY
from collector.store.writing.batch_write import PostgresStore
from tests.servers.process import wait_until
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANG_SECONDS = 0.2
LONG_SECONDS = 5 * LOOKS * HANG_SECONDS
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
def proxy(postgres_dsn: str) -> Iterator[Proxy]:
    """Yield a proxy between the session and the database."""
    with Proxy(int(conninfo.conninfo_to_dict(postgres_dsn)["port"] or 5432)) as made:
        yield made


@pytest.fixture
def dsn(postgres_dsn: str, proxy: Proxy) -> str:
    """Return the database's DSN through the proxy."""
    return conninfo.make_conninfo(postgres_dsn, port=proxy.port)


@pytest.mark.parametrize("go_deaf", [Proxy.go_deaf, Proxy.go_deaf_to_those_there])
def test_a_silent_server_is_left(dsn: str, proxy: Proxy, go_deaf: Callable[[Proxy], None]) -> None:
    """A session is given up if the server no longer answers, or its answer does not arrive."""
    with pytest.raises(StoreUnavailableError) as caught, open_session(dsn, HANG_SECONDS) as connection:  # noqa: PT012
        go_deaf(proxy)
        connection.execute("SELECT 1")
    assert caught.value.kind == "connection"


def test_a_start_does_not_wait_for_a_silent_server(postgres_dsn: str, dsn: str, proxy: Proxy) -> None:
    """A start gives up a server that becomes silent during a migration, and the next attempt succeeds."""
    store = PostgresStore(dsn, dsn, hang_seconds=HANG_SECONDS)
    failures: list[StoreUnavailableError] = []

    def prepare() -> None:
        try:
            store.prepare()
        except StoreUnavailableError as error:
            failures.append(error)

    with psycopg.connect(postgres_dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        thread = threading.Thread(target=prepare)
        thread.start()
        wait_until(lambda: scalar(other, WAITING) == 1, "the migration waits")
        proxy.go_deaf()
        thread.join(60)
    assert [failure.kind for failure in failures] == ["connection"]
    proxy.hear_again()
    store.prepare()
    assert store.heartbeats() == []


def test_a_server_that_works_is_waited_for(dsn: str) -> None:
    """A server that works on a statement is waited for, however long it takes."""
    with open_session(dsn, HANG_SECONDS) as connection:
        connection.execute("SELECT pg_sleep(%s)", (LONG_SECONDS,))
        assert scalar(connection, "SELECT 1") == 1


def test_a_lock_that_another_holds_is_waited_for(postgres_dsn: str, dsn: str) -> None:
    """A lock is waited for, as a second collector waits for the first one's migrations."""
    with psycopg.connect(postgres_dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(1)")
        release = threading.Timer(LONG_SECONDS, other.execute, ("SELECT pg_advisory_unlock(1)",))
        release.start()
        with open_session(dsn, HANG_SECONDS) as connection:
            connection.execute("SELECT pg_advisory_lock(1)")
        release.join()


def test_who_takes_long_between_two_statements_is_not_cut_off(dsn: str) -> None:
    """A long pause between two statements does not end the session, as when a user pages through an export."""
    with open_session(dsn, HANG_SECONDS) as connection:
        time.sleep(LONG_SECONDS)
        assert scalar(connection, "SELECT 1") == 1
