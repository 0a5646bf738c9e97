"""The database fixtures give what they promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.servers.fixtures import need
from tests.servers.postgres import EmbeddedPostgres, PostgresCluster
from tests.servers.timescale import Timescale

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.servers


def test_any_dsn_is_an_empty_database(any_dsn: str) -> None:
    """A new database has no table of another test, and one can be created."""
    with psycopg.connect(any_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
        connection.execute("CREATE TABLE public.left_behind (n int)")


def test_timescale_is_the_apache_edition(timescale_dsn: str) -> None:
    """Debian's TimescaleDB has hypertables, under the Apache licence."""
    with psycopg.connect(timescale_dsn) as connection:
        connection.execute("CREATE TABLE t (time timestamptz NOT NULL)")
        connection.execute("SELECT create_hypertable('t', by_range('time', interval '1 day'))")
        connection.execute("INSERT INTO t SELECT now() - n * interval '1 day' FROM generate_series(0, 4) n")
        assert connection.execute("SHOW timescaledb.license").fetchone() == ("apache",)
        assert connection.execute("SELECT count(*) FROM show_chunks('t')").fetchone() == (5,)


@pytest.mark.parametrize("make", [EmbeddedPostgres, Timescale])
def test_a_killed_cluster_starts_again_with_what_was_committed(
    make: Callable[[Path], PostgresCluster], server_logs: Path
) -> None:
    """`kill` ends every process of the cluster; `start` brings it back on the same port with the committed rows."""
    cluster = need(lambda: make(server_logs))
    try:
        cluster.initialise()
        cluster.start()
        dsn = cluster.create_database()
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (1)")
            cluster.kill()
            assert not cluster.answers()
        cluster.start()
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
    finally:
        cluster.remove()
