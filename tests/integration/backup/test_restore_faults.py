"""Restores that go wrong (docs/backup.md, "If something goes wrong"): ended early, into a database that has our tables,
into other versions and tiers.
"""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from collector.events.model.batch import Batch
from tests.integration.house import House
from tests.oracle.made_up import HOUR, some
from tests.servers.collector import Collector
from tests.servers.process import is_running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.servers

EVENTS = 300
NEW = [{"context": "receiver", "entry": {"id": f"new{n}", "action": "QUEUED", "to": "a@b.example"}} for n in range(5)]

MAKING = """
SELECT count(*) > 10 FROM pg_stat_activity JOIN pg_locks USING (pid)
WHERE application_name = 'pg_restore' AND datname = current_database() AND mode = 'AccessExclusiveLock'
"""
"""Whether pg_restore has made tables in its open transaction."""
LAST_BYTES = 500


@pytest.fixture(params=["postgres", "timescale"])
def cluster(request: pytest.FixtureRequest) -> PostgresCluster:
    """Yield a server of each tier."""
    found: PostgresCluster = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def target(cluster: PostgresCluster) -> Iterator[str]:
    """Yield an empty database, made ready for a restore as the page says."""
    dsn = cluster.create_database()
    if has_timescale(dsn):
        execute(dsn, "SELECT timescaledb_pre_restore()")
    yield dsn
    cluster.drop_database(dsn)


def execute(dsn: str, statement: str) -> None:
    """Execute SQL."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def has_timescale(dsn: str) -> bool:
    """Return whether the database has the extension."""
    return count(dsn, "pg_extension WHERE extname = 'timescaledb'") == 1


def count(dsn: str, relation: str = "mail_events") -> int:
    """Return the number of rows."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(f"SELECT count(*) FROM {relation}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def is_empty(dsn: str) -> bool:
    """Return whether a database has no table of ours."""
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT to_regclass('mail_events')").fetchone() == (None,)


def dump_of(cluster: PostgresCluster, dsn: str | None = None) -> bytes:
    """Return a dump of a database with events; with `dsn`, of this empty one, which is dropped then."""
    filled = dsn or cluster.create_database()
    now = int(time.time() * 1000)
    house = House(filled)
    house.store.write(Batch(some(EVENTS, now - 26 * HOUR, now - HOUR, seed=5)))
    house.close()
    words = cluster.program("pg_dump", "--format=custom", filled)
    dump = subprocess.run(words, capture_output=True, check=True, cwd="/").stdout
    cluster.drop_database(filled)
    return dump


def restore(cluster: PostgresCluster, dsn: str, dump: bytes, *options: str) -> str:
    """Run pg_restore. Return what it complained of, empty if all went well."""
    words = cluster.program("pg_restore", f"--dbname={dsn}", *options)
    done = subprocess.run(words, input=dump, capture_output=True, check=False, cwd="/")
    assert bool(done.returncode) is bool(done.stderr)
    return done.stderr.decode()


def finish_restore(dsn: str) -> None:
    """Do what the page says after pg_restore."""
    if has_timescale(dsn):
        execute(dsn, "SELECT timescaledb_post_restore()")


def test_a_half_restored_database_takes_nothing_until_it_is_whole(
    cluster: PostgresCluster, target: str, tmp_path: Path, server_logs: Path
) -> None:
    """Without indexes and triggers nothing is stored, and the journal keeps the events. Once they are there, the
    running collector stores each event once.
    """
    dump = dump_of(cluster)
    assert restore(cluster, target, dump, "--section=pre-data", "--section=data") == ""
    collector = Collector(tmp_path, server_logs, target)
    collector.start()
    try:
        now = int(time.time() * 1000)
        events = [one | {"time": now} for one in NEW]
        for _ in range(2):  # a repeated request, which the unique index recognises
            assert collector.send(events) == 202
        wait_until(lambda: collector.trouble().get("database") == "incomplete", "the collector names the trouble")
        assert count(target) == EVENTS
        assert restore(cluster, target, dump, "--section=post-data") == ""
        finish_restore(target)
        wait_until(lambda: count(target) > EVENTS, "the events are stored", every=0.2)
        wait_until(lambda: "database" not in collector.trouble(), "the trouble ends", every=0.2)
        assert count(target) == EVENTS + len(NEW)
    finally:
        assert collector.stop() == 0


def test_a_database_with_empty_tables_ends_the_collector(
    cluster: PostgresCluster, target: str, tmp_path: Path, server_logs: Path
) -> None:
    """Before pg_restore has filled the tables, the collector ends with exit code 1, and its log says why."""
    assert restore(cluster, target, dump_of(cluster), "--section=pre-data") == ""
    collector = Collector(tmp_path, server_logs, target)
    collector.start(wait=False)
    wait_until(lambda: not is_running(collector.pid), "the collector ends")
    assert collector.stop() == 1
    assert "it is empty" in collector.log.read_text(encoding="utf-8")


def test_a_killed_restore_in_one_transaction_leaves_nothing(cluster: PostgresCluster, target: str) -> None:
    """The page's pg_restore, killed while it waits for the end of the dump, leaves no table; the next one is whole."""
    dump = dump_of(cluster)
    words = cluster.program("pg_restore", "--single-transaction", f"--dbname={target}")
    with (
        subprocess.Popen(words, stdin=subprocess.PIPE, cwd="/") as killed,
        psycopg.connect(target, autocommit=True) as connection,
    ):
        assert killed.stdin is not None
        killed.stdin.write(dump[:-LAST_BYTES])
        killed.stdin.flush()
        wait_until(lambda: connection.execute(MAKING.encode()).fetchone() == (True,), "tables are made")
        killed.kill()
        killed.wait(10)
        wait_until(lambda: connection.execute(MAKING.encode()).fetchone() == (False,), "the server has noticed")
    assert is_empty(target)
    assert restore(cluster, target, dump, "--single-transaction") == ""
    finish_restore(target)
    assert count(target) == EVENTS


def test_a_database_that_has_our_tables_is_not_changed(cluster: PostgresCluster) -> None:
    """The page's pg_restore refuses it, and every row stays as it was."""
    dump, used = dump_of(cluster), cluster.create_database()
    house = House(used)
    house.store.write(Batch(some(7, int(time.time() * 1000) - HOUR, int(time.time() * 1000), seed=6)))
    house.close()
    assert "already exists" in restore(cluster, used, dump, "--single-transaction")
    assert (count(used), count(used, "schema_migrations") > 0) == (7, True)
    cluster.drop_database(used)


def plain_database(cluster: PostgresCluster) -> str:
    """Return a new database without TimescaleDB."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS without_timescale")
        connection.execute("CREATE DATABASE without_timescale TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    return cluster.dsn("without_timescale")


def version(cluster: PostgresCluster) -> int:
    """Return the server's major version."""
    with psycopg.connect(cluster.dsn()) as connection:
        return connection.info.server_version // 10_000


def test_another_version_or_tier(postgres: PostgresCluster, timescale: PostgresCluster) -> None:
    """A newer PostgreSQL takes the dump of an older one. An older one takes the dump of a newer one whole or not at
    all. A hypertable without TimescaleDB leaves the database empty. A plain dump becomes a hypertable where TimescaleDB
    is added.
    """
    newer, older = postgres, timescale
    if version(newer) <= version(older):
        pytest.skip("the plain server is not newer than the one with TimescaleDB")
    into = newer.create_database()
    assert "timescaledb" in restore(newer, into, dump_of(older), "--single-transaction")
    assert is_empty(into)
    plain = dump_of(older, plain_database(older))
    assert restore(newer, into, plain, "--single-transaction") == ""
    assert count(into) == EVENTS
    newer.drop_database(into)
    into = plain_database(older)
    said = restore(older, into, dump_of(newer), "--single-transaction")
    assert is_empty(into) is bool(said)
    older.drop_database(into)
    assert restore(older, plain_database(older), plain, "--single-transaction") == ""
    execute(into, "CREATE EXTENSION timescaledb")
    House(into).close()
    assert count(into, "timescaledb_information.chunks") > 0
    assert count(into) == EVENTS
    older.drop_database(into)
