"""The filled and the empty database of each tier, made once for each module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from collector.store.migrations import migrate
from collector.store.schema.reader_role import complete_reader_role
from tests.integration.dashboards.filling import Mail, fill, fill_community, make_mail, prepare_community
from tests.servers.fixtures import community_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.given import GivenServer
    from tests.servers.postgres import PostgresCluster

READER = "SET ROLE duckwatch_reader"
"""Grafana's role, so that the queries run with the rights of the panels."""

TIERS = ("postgres", "timescale", "community")


@pytest.fixture(scope="module")
def mail(postgres: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mail]:
    """The recorded traffic, as a collector stores it, and a made-up week."""
    dsn = postgres.create_database()
    yield make_mail(dsn, tmp_path_factory.mktemp("replay"))
    postgres.drop_database(dsn)


@pytest.fixture(scope="module")
def plain(postgres: PostgresCluster, mail: Mail) -> Iterator[psycopg.Connection]:
    """The filled database on plain PostgreSQL."""
    dsn = postgres.create_database()
    with fill(dsn, mail) as connection:
        connection.execute(READER)
        yield connection
    postgres.drop_database(dsn)


@pytest.fixture(scope="module", params=TIERS)
def filled(
    request: pytest.FixtureRequest, mail: Mail, server_logs: Path, given: GivenServer | None
) -> Iterator[psycopg.Connection]:
    """The filled database of each tier."""
    if request.param == "postgres":
        yield request.getfixturevalue("plain")
    elif request.param == "community":
        for server in community_database(server_logs, given):
            with fill_community(server, mail) as connection:
                connection.execute(READER)
                yield connection
    else:
        cluster: PostgresCluster = request.getfixturevalue(request.param)
        dsn = cluster.create_database()
        with fill(dsn, mail) as connection:
            connection.execute(READER)
            yield connection
        cluster.drop_database(dsn)


@pytest.fixture(scope="module", params=TIERS)
def empty(request: pytest.FixtureRequest, server_logs: Path, given: GivenServer | None) -> Iterator[psycopg.Connection]:
    """A database of each tier before its first event."""
    if request.param == "community":
        for server in community_database(server_logs, given):
            with prepare_community(server) as connection:
                connection.execute(READER)
                yield connection
    else:
        cluster: PostgresCluster = request.getfixturevalue(request.param)
        dsn = cluster.create_database()
        with psycopg.connect(dsn) as connection:
            migrate(connection)
            complete_reader_role(connection)
            connection.commit()
            connection.autocommit = True
            connection.execute(READER)
            yield connection
        cluster.drop_database(dsn)
