"""A server is lost while mail goes on, and restored as docs/backup.md says: what is there again is counted apart from
the collector, by what senders were promised.

`DUCKWATCH_BACKUP_EVENTS` is the number of stored events before the back-up (`make backup`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from collector.events.model.batch import Batch
from tests import canaries
from tests.integration.backup.page import blocks
from tests.integration.backup.site import TIERS, Site
from tests.integration.house import House
from tests.integration.senders import BATCH, Senders
from tests.oracle.made_up import HOUR, some
from tests.oracle.rollups import assert_rolled_up
from tests.servers.fixtures import need
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

EVENTS = int(os.environ.get("DUCKWATCH_BACKUP_EVENTS", "2000"))
SLICE = 10_000
MEANWHILE = 200
"""How many events are sent between two steps, at least."""
PAUSE_SECONDS = 0.1
"""Between two batches of a sender: the journal shall not hold more than a minute's work."""

SETTINGS = """
SELECT rolname, rolconnlimit, rolpassword, setconfig FROM pg_authid
LEFT JOIN pg_db_role_setting ON setrole = pg_authid.oid
WHERE rolname LIKE 'duckwatch%' ORDER BY 1
"""
EXAMINED = (
    "database", "tier", "durability", "schema", "rights", "obstacles", "policies", "rollups", "session", "dashboards",
    "collector", "dead letters",
)  # fmt: skip
"""The checks of `doctor` that a restore concerns."""


@pytest.fixture(params=list(TIERS))
def site(request: pytest.FixtureRequest, tmp_path: Path, server_logs: Path) -> Iterator[Site]:
    """Yield the machines, with a collector that stores into a database with a day of history."""
    made = need(lambda: Site(request.param, tmp_path, server_logs))
    try:
        made.install()
        fill(made.dsn())
        made.make_collector()
        yield made
    finally:
        made.close()


def fill(dsn: str) -> None:
    """Store events of the last day, and build their roll-ups."""
    now = int(time.time() * 1000)
    house = House(dsn)
    for first in range(0, EVENTS, SLICE):
        house.store.write(Batch(some(min(SLICE, EVENTS - first), now - 26 * HOUR, now - HOUR, seed=first)))
    house.close()


def stored(dsn: str) -> set[str]:
    """Return the ids of all stored events. Each is there once."""
    with psycopg.connect(dsn) as connection:
        rows = [row[0] for row in connection.execute("SELECT event_id FROM mail_events")]
    assert len(rows) == len(set(rows))
    return set(rows)


def promised(acknowledged: list[int]) -> set[str]:
    """Return the ids of the events that senders were promised to be kept."""
    batches = ((sender, n // BATCH) for sender, count in enumerate(acknowledged) for n in range(0, count, BATCH))
    return {f"{sender}.{batch}.{n}:queued" for sender, batch in batches for n in range(BATCH)}


def go_on(senders: Senders) -> None:
    """Let some more events be sent."""
    enough = sum(senders.acknowledged) + MEANWHILE
    wait_until(lambda: sum(senders.acknowledged) >= enough, "events are taken", 60)


def settings(site: Site) -> list[tuple[object, ...]]:
    """Return the settings, limits and passwords of our roles."""
    with psycopg.connect(site.server.dsn()) as connection:
        return connection.execute(SETTINGS.encode()).fetchall()


def assert_good(site: Site) -> None:
    """`doctor` finds no fault in the database, and the dashboards' role may read and not write."""
    assert site.collector is not None
    site.follow("Is the restore good?")
    program = Path(sys.executable).parent / "duckwatch-collector"
    words = [str(program), "--config", str(site.collector.config), "doctor", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    canaries.hear("doctor", done.stdout + done.stderr)
    found = [(one["check"], one["status"], one["what"]) for one in json.loads(done.stdout)["findings"]]
    assert [one for one in found if one[0] in EXAMINED and one[1] == "fault"] == []
    assert {name for name, status, _ in found if status == "ok"} >= {"schema", "rights", "obstacles", "policies"}
    with psycopg.connect(site.dsn("duckwatch_reader"), autocommit=True) as connection:
        built = "SELECT count(*) > 0 FROM mail_stats_15s"
        wait_until(lambda: connection.execute(built).fetchone() == (True,), "the roll-ups are built", 60)
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM mail_events")


def assert_counted(site: Site) -> None:
    """Roll-ups equal the rows, once the job has built what the restored marks name. It ends the collector."""
    assert site.collector is not None
    assert site.collector.stop() == 0
    house = House(site.dsn())
    house.roll_up(datetime.now(UTC))
    house.close()
    assert_rolled_up(site.dsn())


def finish(site: Site, senders: Senders) -> set[str]:
    """Let events be sent to the restored database, and end. Return the ids of all promised events."""
    go_on(senders)
    senders.finish()
    last = promised(senders.acknowledged) - promised([max(0, count - BATCH) for count in senders.acknowledged])
    wait_until(lambda: last <= stored(site.dsn()), "the journal is empty", 60, every=0.5)
    return promised(senders.acknowledged)


@pytest.fixture(params=list(TIERS))
def database(request: pytest.FixtureRequest, tmp_path: Path, server_logs: Path) -> Iterator[Site]:
    """Yield the machines without a collector, with a day of history in the database."""
    made = need(lambda: Site(request.param, tmp_path, server_logs))
    try:
        made.install()
        fill(made.dsn())
        yield made
    finally:
        made.close()


def test_a_dump_brings_back_what_was_stored_before_it(site: Site) -> None:
    """Every event that was stored before the dump is there once, and every one that the dead server had not stored;
    what it stored after the dump is missing, as the page says.
    """
    assert site.collector is not None
    history, roles = stored(site.dsn()), settings(site)
    senders = Senders([site.collector], pause_seconds=PAUSE_SECONDS)
    go_on(senders)
    before = list(senders.acknowledged)
    wait_until(lambda: promised(before) <= stored(site.dsn()), "they are stored", 60, every=0.5)
    site.follow("What to back up")
    site.follow("A dump")
    go_on(senders)
    site.server.kill()
    go_on(senders)  # into the journal
    old = site.replace()
    site.follow("Restore a dump")
    site.collector.config.unlink()  # the collector's machine is new, too: its files come from the back-up
    site.follow("Start again")
    everything = finish(site, senders)
    found = stored(site.dsn())
    assert history | promised(before) <= found
    old.start()
    lost = history | everything
    lost -= found
    assert lost <= stored(old.dsn("duckwatch")), "only what was stored after the dump is missing"
    assert found <= history | everything
    assert settings(site) == roles
    report(site, "dump", len(found), len(lost))
    assert_good(site)
    assert_counted(site)


def test_a_base_back_up_and_the_wal_bring_back_everything(site: Site) -> None:
    """The server is lost with its disk. Every acknowledged event is there once: none had left the journal before the
    back-up machine had its WAL.
    """
    assert site.collector is not None
    history, roles = stored(site.dsn()), settings(site)
    senders = Senders([site.collector], pause_seconds=PAUSE_SECONDS)
    go_on(senders)
    [role] = blocks("backup.md", "Base back-up and WAL", "sql")
    site.shell("sudo -u postgres psql", stdin=role)
    site.follow("What to back up")
    site.follow("Base back-up and WAL")
    go_on(senders)
    site.server.kill()
    go_on(senders)  # into the journal
    site.replace(with_data=False)
    site.follow("Restore a base back-up")
    site.follow("Start again")
    everything = finish(site, senders)
    found = stored(site.dsn())
    assert found == history | everything
    assert [role for role in settings(site) if role[0] != "duckwatch_backup"] == roles
    report(site, "base back-up and WAL", len(found), 0)
    assert_good(site)
    assert_counted(site)


def test_a_dump_is_restored_beside_the_old_database(database: Site) -> None:
    """The old database is kept under another name, and both have the same events."""
    database.follow("A dump")
    database.follow("Restore a dump", also="RENAME TO")
    assert stored(database.dsn()) == stored(f"{database.dsn()}_before")
    assert len(stored(database.dsn())) == EVENTS


@pytest.mark.parametrize("database", ["timescale"], indirect=True)
def test_the_wal_goes_back_to_a_moment_before_a_mistake(database: Site) -> None:
    """Rows that were deleted after the base back-up are there again."""
    [role] = blocks("backup.md", "Base back-up and WAL", "sql")
    database.shell("sudo -u postgres psql", stdin=role)
    database.follow("Base back-up and WAL")
    before = stored(database.dsn())
    with psycopg.connect(database.dsn(), autocommit=True) as connection:
        moment = connection.execute("SELECT clock_timestamp()::text").fetchone()
        connection.execute("DELETE FROM mail_events")
    assert moment is not None
    assert stored(database.dsn()) == set()
    database.server.kill()
    database.replace(with_data=False)
    words = {"2026-11-29 13:59:00+00": moment[0]}
    database.follow("Restore a base back-up", also="recovery_target", words=words)
    assert stored(database.dsn()) == before


def report(site: Site, way: str, found: int, lost: int) -> None:
    """Print what was found and lost."""
    print(f"{way}, {site.tier}: {found} events found, {lost} lost")
