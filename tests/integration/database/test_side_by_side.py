"""Two collectors on one database, of one version or of two, as during an upgrade and after a downgrade."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import collector
from tests.integration.senders import BATCH, Senders
from tests.oracle.rollups import assert_rolled_up
from tests.servers.collector import Collector
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

FOUND = "SELECT (SELECT count(*) FROM dead_letters), count(*), count(DISTINCT (event_id, cluster)) FROM mail_events"

NEWER_MIGRATION = """
ALTER TABLE mail_events ADD COLUMN newer text NOT NULL DEFAULT 'unknown';
CREATE TABLE of_the_newer (n integer);
SELECT pg_sleep(2); -- the table is locked all the while
"""


def rows(dsn: str, sql: str) -> list[tuple[object, ...]]:
    """Read rows by the test's own connection."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(sql.encode()).fetchall()


def send_more(senders: Senders, batches: int) -> None:
    """Return when this many further batches are acknowledged."""
    enough = sum(senders.acknowledged) + batches * BATCH
    wait_until(lambda: sum(senders.acknowledged) >= enough, "more is sent", seconds=60)


def settle(collectors: Sequence[Collector]) -> None:
    """Return when every journal is empty."""
    for one in collectors:
        wait_until(lambda: one.total("duckwatch_journal_requests") == 0, "all is written", seconds=60)  # noqa: B023  # waited for at once


@pytest.mark.parametrize("twice", [False, True], ids=["each batch to one", "each batch to both"])
def test_two_collectors_share_a_database(any_dsn: str, tmp_path: Path, twice: bool) -> None:
    """Two collectors that start on an empty database store each event once, and their counters sum up to the rows."""
    pair = [Collector(tmp_path / name, tmp_path, any_dsn) for name in ("one", "two")]
    for one in pair:
        one.start(wait=False)
    for one in pair:
        wait_until(one.is_ready, "it is ready")
    senders = Senders(pair, twice=twice)
    send_more(senders, 200)
    sent = senders.finish()
    settle(pair)
    assert rows(any_dsn, FOUND) == [(0, sent, sent)]
    assert sum(one.total("duckwatch_mail_events_total") for one in pair) == sent
    assert sum(one.total("duckwatch_ingest_duplicates_total") for one in pair) == (sent if twice else 0)
    assert_rolled_up(any_dsn)
    assert [one.stop() for one in pair] == [0, 0]


@pytest.fixture
def newer_version(tmp_path: Path) -> str:
    """Return a folder with a version of the program that has one migration more."""
    package = tmp_path / "newer" / "collector"
    shutil.copytree(Path(collector.__path__[0]), package, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    (package / "store/migrations/9999_newer.sql").write_text(NEWER_MIGRATION, encoding="utf-8")
    return str(package.parent)


def test_old_and_new_write_side_by_side(any_dsn: str, tmp_path: Path, newer_version: str) -> None:
    """An older version keeps writing while a newer one migrates, and can start again alone after it."""
    old, new = (Collector(tmp_path / name, tmp_path, any_dsn) for name in ("old", "new"))
    new.environment = {"PYTHONPATH": newer_version}
    old.start()
    alone = Senders([old])
    send_more(alone, 50)
    new.start()
    wait_until(lambda: new.trouble() == {}, "the newer one has migrated")
    send_more(alone, 50)
    sent = alone.finish()
    both = Senders([old, new], twice=True, name="both")
    send_more(both, 50)
    sent += both.finish()
    settle([old, new])
    assert rows(any_dsn, "SELECT max(version) FROM schema_migrations") == [(9999,)]
    assert rows(any_dsn, FOUND) == [(0, sent, sent)]
    assert_rolled_up(any_dsn)
    assert old.total("duckwatch_mail_events_total") + new.total("duckwatch_mail_events_total") == sent
    assert [new.stop(), old.stop()] == [0, 0]
    old.start()
    after = Senders([old], name="after")
    send_more(after, 20)
    sent += after.finish()
    settle([old])
    assert rows(any_dsn, FOUND) == [(0, sent, sent)]
    assert rows(any_dsn, "SELECT DISTINCT newer FROM mail_events") == [("unknown",)]
    assert old.stop() == 0
    assert "nothing to apply" in command(old, "migrate")


def command(one: Collector, *words: str) -> str:
    """Return the output of a command with that collector's configuration."""
    program = Path(sys.executable).parent / "duckwatch-collector"
    return subprocess.run([program, "--config", one.config, *words], capture_output=True, text=True, check=True).stdout
