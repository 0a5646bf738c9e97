"""The tier that the collector finds on the real servers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psycopg
import pytest

from collector.store.database.tiers import Tier, storage_of

if TYPE_CHECKING:
    from tests.servers.community import Community

pytestmark = pytest.mark.servers


def test_a_database_without_the_extension_is_plain(postgres_dsn: str) -> None:
    """A database without the extension is plain, even if the server could install it."""
    with psycopg.connect(postgres_dsn) as connection:
        assert storage_of(connection)[::2] == (Tier.PLAIN, None)


def test_debians_timescaledb_is_the_apache_edition(timescale_dsn: str) -> None:
    """Debian's TimescaleDB is the Apache edition, also if that is a new session's first query."""
    if os.environ.get("DUCKWATCH_TEST_DSN"):
        pytest.skip("another server is given")
    with psycopg.connect(timescale_dsn) as connection:
        found = storage_of(connection)
    assert found.tier is Tier.APACHE
    assert found.postgresql.startswith("17.")
    assert found.timescaledb is not None


def test_community_is_found_once_the_extension_is_made(community: Community) -> None:
    """The Community tier is found only when the extension is in the database, whatever the licence."""
    with community.connect(autocommit=True) as connection:
        assert storage_of(connection).tier is Tier.PLAIN
        connection.execute("CREATE EXTENSION timescaledb")
        found = storage_of(connection)
    assert found.tier is Tier.COMMUNITY
    assert found.timescaledb is not None
