"""Kill -9 of collectors and PostgreSQL at random moments, alone, together, and in a failover, under retrying load.

`DUCKWATCH_CRASH_ROUNDS` (default 3) is the number of kills of each. The seed is printed; `DUCKWATCH_CRASH_SEED` sets
it.
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo

from tests.integration.senders import Senders
from tests.oracle.rollups import assert_rolled_up
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.process import wait_until
from tests.servers.proxy import Proxy
from tests.servers.standby import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = int(os.environ.get("DUCKWATCH_CRASH_ROUNDS", "3"))
pytestmark = pytest.mark.timeout(120 + 30 * ROUNDS)


@pytest.fixture
def database(server_logs: Path) -> Iterator[EmbeddedPostgres]:
    """Yield a PostgreSQL that a test may kill. fsync is on, so that committed rows survive."""
    made = need(lambda: EmbeddedPostgres(server_logs, {"fsync": "on", "full_page_writes": "on"}))
    made.initialise()
    made.start()
    yield made
    made.remove()


@pytest.fixture
def dice() -> random.Random:
    """Return a random generator and print its seed."""
    seed = int(os.environ.get("DUCKWATCH_CRASH_SEED", str(random.SystemRandom().randrange(2**32))))
    print(f"DUCKWATCH_CRASH_SEED={seed}")
    return random.Random(seed)


@pytest.mark.parametrize("victims", [["collector"], ["database"], ["collector", "database"]], ids="+".join)
def test_what_was_acknowledged_is_in_the_table_once(
    database: EmbeddedPostgres, dice: random.Random, tmp_path: Path, server_logs: Path, victims: list[str]
) -> None:
    """Every acknowledged event is stored once, though collector and PostgreSQL are killed repeatedly under load."""
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
    assert_rolled_up(dsn)
    if "collector" not in victims:  # the same process all the time, so its counter has all events
        assert collector.total("duckwatch_mail_events_total") == sent
    assert collector.stop() == 0


class House:
    """Two collectors, PgBouncer, a primary and its synchronous standby. Each of them may be killed."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self.pair = Pair(logs)
        self._address = Proxy(self.pair.primary.port)  # the present primary, for `session_dsn`
        self._pooler = PgBouncer(logs, self.pair.primary.port)
        self._pooler.start()
        direct = conninfo.make_conninfo(self.pair.dsn, port=self._address.port)
        database = {"dsn": self._pooler.dsn(direct), "session_dsn": direct}
        self.collectors = [Collector(folder / name, logs, "", {"database": database}) for name in ("one", "two")]
        for collector in self.collectors:
            collector.start()

    def fail_over(self) -> None:
        """Kill the primary, promote its standby, and add a new standby."""
        self.pair.fail_over()
        self._address.point_at(self.pair.primary.port)
        self._address.cut()
        self._pooler.point_at(self.pair.primary.port)
        self.pair.add_standby()

    def restart(self, *victims: str) -> None:
        """Kill the named parts at once, then start them again."""
        for victim in victims:
            if victim == "database":
                self.pair.primary.kill()
            elif victim == "pooler":
                self._pooler.stop()
            else:
                self.collectors[int(victim)].kill()
        for victim in victims:
            if victim == "database":
                self.pair.primary.start()
            elif victim == "pooler":
                self._pooler.start()
            else:
                self.collectors[int(victim)].start(wait=False)

    def remove(self) -> None:
        for collector in self.collectors:
            collector.stop()
        self._pooler.remove()
        self._address.__exit__(None, None, None)
        self.pair.remove()


@pytest.fixture
def house(tmp_path: Path, server_logs: Path) -> Iterator[House]:
    """Yield a house in which everything runs."""
    made = need(lambda: House(tmp_path, server_logs))
    yield made
    made.remove()


BLOWS: list[tuple[bool, tuple[str, ...]]] = [
    (True, ()),
    (False, ("0",)),
    (True, ("0", "1")),
    (False, ("database",)),
    (False, ("pooler", "1")),
    (False, ("0", "1", "database", "pooler")),
]
"""Does the primary fail over, and which parts are killed and restarted at the same moment?"""


@pytest.mark.servers
def test_a_house_of_two_collectors_survives_a_failover(house: House, dice: random.Random) -> None:
    """Kills of collectors, pooler and primary, and failovers, one after the other under load, lose no event."""
    senders = Senders(house.collectors)
    for blow in range(ROUNDS):
        time.sleep(dice.uniform(0.3, 1.5))  # a random moment
        is_failover, victims = BLOWS[blow % len(BLOWS)]
        house.restart(*victims)
        if is_failover:
            house.fail_over()
    sent = senders.finish()
    for collector in house.collectors:
        collector.wait_ready()
        wait_until(lambda: collector.total("duckwatch_journal_requests") == 0, "everything is written", seconds=60)  # noqa: B023  # waited for at once
    with psycopg.connect(house.pair.dsn) as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT (event_id, cluster)) FROM mail_events").fetchone()
        letters = connection.execute("SELECT count(*) FROM dead_letters").fetchone()
    print(f"{sent} events acknowledged, {senders.repeats} requests repeated")
    assert found == (sent, sent)
    assert letters == (0,)
    assert_rolled_up(house.pair.dsn)
    assert [collector.stop() for collector in house.collectors] == [0, 0]
