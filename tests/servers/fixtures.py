"""The servers as pytest fixtures: started once a run, a fresh database for each test.

A server that is missing skips the test and says so; in CI (the variable `CI` is set) that is a failure.
`DUCKWATCH_TEST_DSN` names a server to use in place of both (its user may create databases).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import pytest
from psycopg import conninfo

from tests.servers.community import Community
from tests.servers.missing import MissingServerError
from tests.servers.postgres import EmbeddedPostgres, PostgresCluster
from tests.servers.timescale import Timescale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")


def need(make: Callable[[], T]) -> T:
    """What `make` makes; where its server is missing the test is skipped, in CI it fails."""
    try:
        return make()
    except MissingServerError as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


class GivenServer(PostgresCluster):
    """The server of `DUCKWATCH_TEST_DSN`: not ours to start or stop."""

    name = "given"
    template = "template0"
    """TimescaleDB's launcher keeps a worker in template1 for a while each time, and a database that is in use cannot be cloned."""

    def __init__(self, logs: Path, dsn: str, *, extension: str | None = None) -> None:
        super().__init__(logs)
        self._dsn = dsn
        self._extension = extension

    def create_database(self) -> str:
        dsn = super().create_database()
        if self._extension:
            with psycopg.connect(dsn, autocommit=True) as connection:
                name = psycopg.sql.Identifier(self._extension)
                connection.execute(psycopg.sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(name))
        return dsn

    def has(self, extension: str) -> bool:
        """True when the server could install it."""
        with psycopg.connect(self.dsn()) as connection:
            found = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", [extension])
            return found.fetchone() is not None

    @contextlib.contextmanager
    def left_clean(self) -> Iterator[None]:
        """Drops the dashboards' role at the end, unless it was there before or is still in use."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            was_there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'duckwatch_reader'").fetchone()
        yield
        if was_there is None:
            in_use = contextlib.suppress(psycopg.errors.DependentObjectsStillExist)
            with in_use, psycopg.connect(self.dsn(), autocommit=True) as connection:
                connection.execute("DROP ROLE IF EXISTS duckwatch_reader")

    def is_community(self) -> bool:
        """True when its TimescaleDB has the Community licence."""
        with psycopg.connect(self.dsn()) as connection:
            found = connection.execute("SELECT setting FROM pg_settings WHERE name = 'timescaledb.license'").fetchone()
        return self.has("timescaledb") and found == ("timescale",)

    def dsn(self, database: str = "") -> str:
        return conninfo.make_conninfo(self._dsn, **({"dbname": database} if database else {}))

    def drop_database(self, dsn: str) -> None:
        name = conninfo.conninfo_to_dict(dsn)["dbname"]
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(
                psycopg.sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(psycopg.sql.Identifier(str(name)))
            )


class GivenCommunity:
    """A fresh database on the server of `DUCKWATCH_TEST_DSN`, as `Community` is one."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def connect(self, **settings: Any) -> psycopg.Connection:
        """One connection."""
        return psycopg.connect(self.dsn, cursor_factory=psycopg.ClientCursor, **settings)


@pytest.fixture(scope="session")
def server_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers' logs go; pytest keeps those of the last three runs."""
    return tmp_path_factory.mktemp("logs", numbered=False)


def _running(cluster: PostgresCluster) -> Iterator[PostgresCluster]:
    try:
        cluster.initialise()
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture(scope="session")
def postgres(server_logs: Path) -> Iterator[PostgresCluster]:
    """Plain PostgreSQL (embedded), started once. Not for tests that stop or kill it: those make their own."""
    given = os.environ.get("DUCKWATCH_TEST_DSN")
    if given:
        server = GivenServer(server_logs, given)
        with server.left_clean():
            yield server
    else:
        yield from _running(need(lambda: EmbeddedPostgres(server_logs)))


@pytest.fixture(scope="session")
def timescale(server_logs: Path) -> Iterator[PostgresCluster]:
    """TimescaleDB (Debian's, Apache edition), started once. Not for tests that stop or kill it."""
    given = os.environ.get("DUCKWATCH_TEST_DSN")
    if given:
        server = GivenServer(server_logs, given, extension="timescaledb")
        if not server.has("timescaledb"):
            pytest.skip("the server of DUCKWATCH_TEST_DSN has no TimescaleDB")
        with server.left_clean():
            yield server
    else:
        yield from _running(need(lambda: Timescale(server_logs)))


def _database(cluster: PostgresCluster) -> Iterator[str]:
    dsn = cluster.create_database()
    yield dsn
    cluster.drop_database(dsn)


@pytest.fixture
def postgres_dsn(postgres: PostgresCluster) -> Iterator[str]:
    """A fresh database on plain PostgreSQL."""
    yield from _database(postgres)


@pytest.fixture
def timescale_dsn(timescale: PostgresCluster) -> Iterator[str]:
    """A fresh database with the extension timescaledb."""
    yield from _database(timescale)


@pytest.fixture
def community(server_logs: Path) -> Iterator[Community | GivenCommunity]:
    """TimescaleDB Community with one fresh database, the extension not yet made: a server of its own, or that of `DUCKWATCH_TEST_DSN`
    where it is one.
    """
    given = os.environ.get("DUCKWATCH_TEST_DSN")
    if given and (server := GivenServer(server_logs, given)).is_community():
        dsn = server.create_database()
        yield GivenCommunity(dsn)
        server.drop_database(dsn)
        return
    own = need(lambda: Community(server_logs))
    try:
        own.start()
        yield own
    finally:
        own.stop()


@pytest.fixture(params=["postgres", "timescale"])
def any_dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database: the test runs once on plain PostgreSQL and once on TimescaleDB."""
    cluster: PostgresCluster = request.getfixturevalue(request.param)
    yield from _database(cluster)
