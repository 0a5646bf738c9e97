"""Fixtures of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.house import House

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgres import PostgresCluster


@pytest.fixture
def house(any_dsn: str) -> Iterator[House]:
    """Yield a house on a new database of each tier."""
    made = House(any_dsn)
    yield made
    made.close()


@pytest.fixture(scope="module", params=["postgres", "timescale"])
def shared_house(request: pytest.FixtureRequest) -> Iterator[House]:
    """Yield a house on one database of each tier for all tests of a module. Once it is filled, call `only_read`."""
    cluster: PostgresCluster = request.getfixturevalue(request.param)
    dsn = cluster.create_database()
    made = House(dsn)
    yield made
    made.close()
    cluster.drop_database(dsn)


@pytest.fixture
def our_jobs(house: House) -> None:
    """Yield a house whose roll-ups and retention the collector's own jobs do, not TimescaleDB Community."""
    if house.builds_itself:
        pytest.skip("TimescaleDB Community builds for itself (test_community.py)")
