"""The servers as pytest fixtures: each is started once a run, and each test gets a new database.

A missing server skips the test with the reason. In CI (the variable `CI` is set) the test fails, unless it is Grafana.
`DUCKWATCH_TEST_DSN` names a server to use instead of both; its user must be allowed to create databases.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.servers.community import Community
from tests.servers.given import GivenCommunity, GivenServer
from tests.servers.grafana import Grafana, given_or_started
from tests.servers.missing import MissingGrafanaError, MissingServerError
from tests.servers.postgres import EmbeddedPostgres, PostgresCluster
from tests.servers.timescale import Timescale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

READER = "duckwatch_reader"
"""The dashboards' role. A role belongs to the server, so it stays when the database of its migration is dropped."""


def need(make: Callable[[], T]) -> T:
    """Return the server that `make` makes. If it is not installed, skip the test; in CI fail, unless it is Grafana."""
    try:
        return make()
    except MissingGrafanaError as missing:
        pytest.skip(f"{missing}: see docs/dashboards.md")
    except MissingServerError as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def server_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the servers' logs. pytest keeps those of the last three runs."""
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
    """Yield the server of `DUCKWATCH_TEST_DSN`, None without it. Assert at the end that it holds
    what it held before.
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
    """Yield plain PostgreSQL (embedded), started once. A test that stops or kills its server makes its own."""
    if given is not None:
        yield given
    else:
        yield from _running(need(lambda: EmbeddedPostgres(server_logs)))


@pytest.fixture(scope="session")
def timescale(server_logs: Path, given: GivenServer | None) -> Iterator[PostgresCluster]:
    """Yield TimescaleDB (Debian's, Apache edition), started once. A test that stops its server makes its own."""
    if given is not None:
        if not given.has("timescaledb"):
            pytest.skip("the server of DUCKWATCH_TEST_DSN has no TimescaleDB")
        yield given.making("timescaledb")
    else:
        yield from _running(need(lambda: Timescale(server_logs)))


@pytest.fixture(scope="session")
def grafana_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grafana]:
    """The Grafana of `GRAFANA_URL`, or one started once from `GRAFANA_HOME`. Without both the test skips."""
    with ExitStack() as stack:
        yield need(lambda: stack.enter_context(given_or_started(tmp_path_factory.mktemp("grafana"))))


@pytest.fixture
def grafana(grafana_server: Grafana) -> Iterator[Grafana]:
    """A running Grafana. What the test makes there is removed at its end."""
    yield grafana_server
    grafana_server.clean()


def _database(cluster: PostgresCluster) -> Iterator[str]:
    dsn = cluster.create_database()
    yield dsn
    cluster.drop_database(dsn)


@pytest.fixture
def postgres_dsn(postgres: PostgresCluster) -> Iterator[str]:
    """Yield a new database on plain PostgreSQL."""
    yield from _database(postgres)


@pytest.fixture
def timescale_dsn(timescale: PostgresCluster) -> Iterator[str]:
    """Yield a new database with the extension timescaledb."""
    yield from _database(timescale)


@pytest.fixture
def community(server_logs: Path, given: GivenServer | None) -> Iterator[Community | GivenCommunity]:
    """Yield TimescaleDB Community with one new database that has no extension yet."""
    yield from community_database(server_logs, given)


def community_database(server_logs: Path, given: GivenServer | None) -> Iterator[Community | GivenCommunity]:
    """Yield a Community server for a fixture of any scope: a new one, or that of `DUCKWATCH_TEST_DSN` if it is one."""
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
    """Yield a new database. The test runs once on plain PostgreSQL and once on TimescaleDB."""
    cluster: PostgresCluster = request.getfixturevalue(request.param)
    yield from _database(cluster)
