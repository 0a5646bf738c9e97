"""`doctor` and the limits of connections: of a real server, of the database and of the roles."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import conninfo

from collector.config import CollectorSettings
from collector.operations.doctor import CHECKS, examine
from collector.operations.doctor.connections import kept_open
from collector.operations.doctor.installation import Installation
from collector.store.writing.batch_write import PostgresStore
from tests.servers.fixtures import need
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.finding import Finding
    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.servers

MONGO = {"uri": "mongodb://127.0.0.1/", "cluster": "eu1"}


class Server:
    """A server whose database the role `duckwatch` owns, as docs/installation.md makes it."""

    def __init__(self, cluster: PostgresCluster) -> None:
        self.cluster = cluster
        self.dsn = conninfo.make_conninfo(cluster.dsn("duckwatch"), user="duckwatch")
        self.execute(
            "CREATE ROLE duckwatch LOGIN",
            "CREATE ROLE duckwatch_reader LOGIN CONNECTION LIMIT 20",
            "CREATE ROLE other LOGIN",
            "GRANT duckwatch_reader TO duckwatch",
            "CREATE DATABASE duckwatch OWNER duckwatch",
        )
        PostgresStore(self.dsn, self.dsn).prepare()

    def execute(self, *statements: str) -> None:
        """Execute SQL as the administrator."""
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def told(self, user: str = "duckwatch", **section: Any) -> list[Finding]:
        """Return the findings of the check."""
        dsn = conninfo.make_conninfo(self.dsn, user=user)
        with contextlib.closing(Installation(settings(dsn, **section), None)) as installation:
            return list(examine(installation, {"connections": CHECKS["connections"]}))

    def statuses(self, **section: Any) -> list[str]:
        """Return the statuses of the findings."""
        return [one.status.value for one in self.told(**section)]

    def remedies(self, *expected: tuple[str, str], **section: Any) -> list[str]:
        """Wait until these are the findings, by status and text, and return their remedies.

        The server still counts a connection for a moment after it was closed.
        """
        found: list[Finding] = []

        def is_told() -> bool:
            found[:] = self.told(**section)
            return [(one.status.value, one.what) for one in found] == list(expected)

        wait_until(is_told, lambda: str(found), every=0.5)
        return [one.remedy for one in found]


def settings(dsn: str, **section: Any) -> CollectorSettings:
    """Return the settings of a collector of this database."""
    return CollectorSettings.model_validate({"database": {"dsn": dsn}, **section})


@pytest.fixture(params=["100", "30"])
def server(request: pytest.FixtureRequest, server_logs: Path) -> Iterator[Server]:
    """Yield a server with PostgreSQL's own limits, or with few connections."""
    own = {"max_connections": request.param, "reserved_connections": "0"}
    cluster = need(lambda: EmbeddedPostgres(server_logs, own))
    try:
        cluster.initialise()
        cluster.start()
        yield Server(cluster)
    finally:
        cluster.remove()


few = pytest.mark.parametrize("server", ["30"], indirect=True)
"""27 are for others than superusers."""


def test_the_defaults_are_well(server: Server) -> None:
    """The limits of a new server and of a new installation are no finding, also with a MongoDB."""
    [found] = server.told()
    assert (found.status, "room for the collector (5) and the dashboards (20)" in found.what) == ("ok", True)
    assert server.statuses(mongo=[MONGO]) == ["ok"]


@few
def test_a_server_with_too_few_is_found(server: Server) -> None:
    """What others have and what dashboards may take counts; the remedy's limit for the dashboards is enough."""
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(psycopg.connect(conninfo.make_conninfo(server.cluster.dsn(), user="other")))
        what = "the server may have 27 connections; the collector and a command need 5, "
        [remedy] = server.remedies(("warning", what + "the dashboards up to 20, and others have 10"))
        statement = remedy.partition("or ")[2]
        assert statement == "ALTER ROLE duckwatch_reader CONNECTION LIMIT 12"
        server.execute(statement)
        wait_until(lambda: server.statuses() == ["ok"], "there is room", every=0.5)
    server.cluster.stop()
    server.cluster.settings |= {"max_connections": "5", "max_wal_senders": "0"}
    server.cluster.start()
    server.remedies(("fault", "the server may have 2 connections, and the collector needs 4"), mongo=[MONGO])


@few
def test_the_limits_of_the_database_and_the_role_count(server: Server) -> None:
    """A limit of the database or the role is found, and each remedy removes the finding. A superuser has none."""
    server.execute("ALTER DATABASE duckwatch CONNECTION LIMIT 22", "ALTER ROLE duckwatch CONNECTION LIMIT 1")
    need = "connections; the collector and a command need 5"
    dashboards = ", the dashboards up to 20, and others have 0"
    database = ("warning", f"the database may have 22 {need}{dashboards}")
    remedies = server.remedies(
        database, ("fault", "the role duckwatch may have 1 connections, and the collector needs 2")
    )
    assert server.statuses(user="postgres") == ["ok"]
    server.execute("ALTER ROLE duckwatch CONNECTION LIMIT 4")
    server.remedies(database, ("warning", f"the role duckwatch may have 4 {need}"))
    for remedy in remedies:
        server.execute(remedy.partition(",")[0].replace("…", "duckwatch"))
    wait_until(lambda: server.statuses() == ["ok"], "there is room", every=0.5)


@few
def test_dashboards_without_a_limit_are_found(server: Server) -> None:
    """A dashboards' role without a limit is a finding, and so are other collectors that have what is left."""
    server.execute("ALTER ROLE duckwatch_reader CONNECTION LIMIT -1")
    [remedy] = server.remedies(
        ("warning", "duckwatch_reader has no CONNECTION LIMIT: dashboards can take every connection")
    )
    server.execute(remedy.partition(",")[0])
    wait_until(lambda: server.statuses() == ["ok"], "the dashboards have a limit", every=0.5)
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(psycopg.connect(server.dsn))
        assert server.statuses() == ["warning"]
    wait_until(lambda: server.statuses() == ["ok"], "the server has noticed that they left", every=0.5)


def test_each_part_is_counted() -> None:
    """The number of connections that stay open, by the parts that are on."""
    live = {"url": "http://127.0.0.1:3000", "token": "t"}
    users = MONGO | {"wildduck_users_database": "users"}
    alone = MONGO | {"wildduck_database": None}
    found = [
        kept_open(settings("postgresql://a@b/c", **section))
        for section in ({}, {"live": live}, {"mongo": [MONGO]}, {"mongo": [users]}, {"mongo": [alone]})
    ]
    assert found == [2, 3, 4, 5, 3]
