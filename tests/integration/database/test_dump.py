"""A dump restored as docs/backup.md says holds every row and roll-up, and the collector continues with it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest

from collector.events.model.batch import Batch
from tests.integration.house import House
from tests.oracle.made_up import DAY, NOW_MS, some

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.servers

COUNTED = ("mail_events", "mail_stats_15s", "mail_stats_5m", "mail_stats_1h", "schema_migrations")


@pytest.mark.parametrize("tier", ["postgres", "timescale"])
def test_a_restored_database_is_the_same_and_takes_events(tier: str, request: pytest.FixtureRequest) -> None:
    """A restored database has the same rows and takes events, with TimescaleDB (by its two functions) and without."""
    cluster: PostgresCluster = request.getfixturevalue(tier)
    dsn, restored = cluster.create_database(), cluster.create_database()
    house = House(dsn)
    house.store.write(Batch(some(300, NOW_MS - DAY, NOW_MS, seed=3)))
    house.roll_up()
    house.close()
    dump = subprocess.run(cluster.program("pg_dump", "--format=custom", dsn), capture_output=True, check=True).stdout
    name = psycopg.conninfo.conninfo_to_dict(restored)["dbname"]
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}"'.encode())
        connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'".encode())
    around = ("CREATE EXTENSION timescaledb; SELECT timescaledb_pre_restore()", "SELECT timescaledb_post_restore()")
    before, after = around if tier == "timescale" else ("SELECT", "SELECT")
    with psycopg.connect(restored, autocommit=True) as connection:
        connection.execute(before.encode())
    restore = cluster.program("pg_restore", "--exit-on-error", f"--dbname={restored}")
    done = subprocess.run(restore, input=dump, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    with psycopg.connect(restored, autocommit=True) as connection:
        connection.execute(after.encode())
    assert counts(restored) == counts(dsn)
    again = House(restored)
    again.store.write(Batch(some(50, NOW_MS - DAY, NOW_MS, seed=4)))
    again.roll_up()
    again.close()
    assert counts(restored)["mail_events"] == 350
    cluster.drop_database(dsn)
    cluster.drop_database(restored)


def counts(dsn: str) -> dict[str, int]:
    """Return the number of rows of some tables."""
    with psycopg.connect(dsn) as connection:
        rows = {name: connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone() for name in COUNTED}
    return {name: int(row[0]) for name, row in rows.items() if row is not None}
