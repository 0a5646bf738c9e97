"""kill -9 of the collector and of PostgreSQL at random moments, under load that retries as the plugin does.

`DUCKWATCH_CRASH_ROUNDS` (default 3) is how often each dies; the seed is printed, `DUCKWATCH_CRASH_SEED` takes one again.
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.integration.senders import Senders
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = int(os.environ.get("DUCKWATCH_CRASH_ROUNDS", "3"))
pytestmark = pytest.mark.timeout(120 + 30 * ROUNDS)


@pytest.fixture
def database(server_logs: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that may be killed. fsync stays on: what it says is committed must be."""
    made = need(lambda: EmbeddedPostgres(server_logs, {"fsync": "on", "full_page_writes": "on"}))
    made.initialise()
    made.start()
    yield made
    made.remove()


@pytest.fixture
def dice() -> random.Random:
    """Prints its seed."""
    seed = int(os.environ.get("DUCKWATCH_CRASH_SEED", str(random.SystemRandom().randrange(2**32))))
    print(f"DUCKWATCH_CRASH_SEED={seed}")
    return random.Random(seed)


@pytest.mark.parametrize("victims", [["collector"], ["database"], ["collector", "database"]], ids="+".join)
def test_what_was_acknowledged_is_in_the_table_once(
    database: EmbeddedPostgres, dice: random.Random, tmp_path: Path, server_logs: Path, victims: list[str]
) -> None:
    """Each victim dies in mid-stream, again and again, alone or both at once; afterwards the table holds each event once."""
    dsn = database.create_database()
    collector = Collector(tmp_path / "collector", server_logs, dsn)
    collector.start()
    senders = Senders([collector])
    for _ in range(ROUNDS):
        time.sleep(dice.uniform(0.3, 1.5))  # the moment of the kill
        if "collector" in victims:
            collector.kill()
        if "database" in victims:
            database.kill()
            time.sleep(dice.uniform(0, 1))
            database.start()
        if "collector" in victims:
            collector.start()
    sent = senders.finish()
    wait_until(lambda: collector.total("duckwatch_journal_requests") == 0, "everything is written", seconds=60)
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT (event_id, cluster)) FROM mail_events").fetchone()
        letters = connection.execute("SELECT count(*) FROM dead_letters").fetchone()
    print(f"{sent} events acknowledged, {senders.repeats} requests repeated")
    assert found == (sent, sent)
    assert letters == (0,)
    if "collector" not in victims:  # the same process from begin to end: its counter has it all
        assert collector.total("duckwatch_mail_events_total") == sent
    assert collector.stop() == 0
