"""The servers as pytest fixtures: started once a run, a fresh database for each test.

A server that is missing skips the test and says so; in CI (the variable `CI` is set) that is a failure.
`DUCKWATCH_TEST_DSN` names a server to use in place of both (its user may create databases).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.servers.community import Community
from tests.servers.given import GivenCommunity, GivenServer
from tests.servers.missing import MissingServerError
from tests.servers.postgres import EmbeddedPostgres, PostgresCluster
from tests.servers.timescale import Timescale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

READER = "duckwatch_reader"
"""The dashboards' role: roles belong to the server, so migrations leave it there when their database is dropped."""


def need(make: Callable[[], T]) -> T:
    """What `make` makes; where its server is missing the test is skipped, in CI it fails."""
    try:
        return make()
    except MissingServerError as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


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
def given(server_logs: Path) -> Iterator[GivenServer | None]:
    """The server of `DUCKWATCH_TEST_DSN`, None without it.
    At the end of the run there is on it what was there before.
    """
    dsn = os.environ.get("DUCKWATCH_TEST_DSN")
    if not dsn:
        yield None
        return
    server = GivenServer(server_logs, dsn)
    before = server.inventory()
    yield server
    if READER not in before["roles"]:
        server.drop_role(READER)
    assert server.inventory() == before


@pytest.fixture(scope="session")
def postgres(server_logs: Path, given: GivenServer | None) -> Iterator[PostgresCluster]:
    """Plain PostgreSQL (embedded), started once. Not for tests that stop or kill it: those make their own."""
    if given is not None:
        yield given
    else:
        yield from _running(need(lambda: EmbeddedPostgres(server_logs)))


@pytest.fixture(scope="session")
def timescale(server_logs: Path, given: GivenServer | None) -> Iterator[PostgresCluster]:
    """TimescaleDB (Debian's, Apache edition), started once. Not for tests that stop or kill it."""
    if given is not None:
        if not given.has("timescaledb"):
            pytest.skip("the server of DUCKWATCH_TEST_DSN has no TimescaleDB")
        yield given.making("timescaledb")
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
def community(server_logs: Path, given: GivenServer | None) -> Iterator[Community | GivenCommunity]:
    """TimescaleDB Community with one fresh database, the extension not yet made."""
    yield from community_database(server_logs, given)


def community_database(server_logs: Path, given: GivenServer | None) -> Iterator[Community | GivenCommunity]:
    """For fixtures of any scope: a server of its own, or the one of `DUCKWATCH_TEST_DSN` where that is one."""
    if given is not None and given.is_community:
        dsn = given.create_database()
        yield GivenCommunity(dsn)
        given.drop_database(dsn)
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
