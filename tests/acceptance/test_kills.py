"""Kill or stop servers under load: each log entry that the recorder saw has one row.

`DUCKWATCH_CRASH_ROUNDS` (default 3) is how often each victim is killed.
`DUCKWATCH_AWAY_SECONDS` (default 20) is how long a server is stopped.
Each test prints its seed. `DUCKWATCH_CRASH_SEED` repeats a seed.
"""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.ledger import read_ledger, wait_for_every_entry
from tests.acceptance.mail import Load
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.world import World

ROUNDS = int(os.environ.get("DUCKWATCH_CRASH_ROUNDS", "3"))
AWAY = float(os.environ.get("DUCKWATCH_AWAY_SECONDS", "20"))

pytestmark = [pytest.mark.servers, pytest.mark.timeout(240 + 60 * ROUNDS)]

SMALL_WORLD = True  # ZoneMTA with few processes, because these tests start it many times

SETTLING = 90  # s: the plugin retries every 30 s at the latest, and another process claims a dead process's spool later
MOMENT = 1000  # ms around a kill: our plugin may have seen a log entry before the recorder, which runs after it, could


class ServerKills:
    """Ways to kill or stop a server. `moments` are the times (epoch ms) at which ZoneMTA's processes were killed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.dice = random.Random()
        self.moments: list[int] = []

    def _kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self.moments.append(int(time.time() * 1000))

    def zonemta_sender(self) -> None:
        """Send SIGKILL to a sender process, and wait until the master has started another."""
        zonemta = self._world.zonemta
        wait_until(lambda: zonemta.processes("sender/"), "a sender process is there")
        victim = self.dice.choice(zonemta.processes("sender/"))
        self._kill(victim)
        wait_until(
            lambda: victim not in zonemta.processes("sender/") and zonemta.has_plugins(), "a sender took its place"
        )

    def zonemta_master(self) -> None:
        """Send SIGKILL to the master, whose children then end, and start ZoneMTA again."""
        self.moments.append(int(time.time() * 1000))
        self._world.zonemta.kill()
        self._world.zonemta.start()

    def zonemta_sigterm(self) -> None:
        """Send SIGTERM to the master, as a restart or an upgrade does, and start ZoneMTA again."""
        self._world.zonemta.stop()
        self._world.zonemta.start()

    def zonemta_everything(self) -> None:
        """Send SIGKILL to every process of ZoneMTA, as the OOM killer of a container does, and start it again."""
        self.moments += [int(time.time() * 1000)] * len(self._world.zonemta.everyone())
        self._world.zonemta.kill_all()
        self._world.zonemta.start()

    def collector(self) -> None:
        """Send SIGKILL to the collector, and start it again."""
        self._world.collector.kill()
        self._world.collector.start()

    def collector_sigterm(self) -> None:
        """Send SIGTERM to the collector, assert that its exit status is 0, and start it again."""
        assert self._world.collector.stop() == 0
        self._world.collector.start()

    def postgres(self) -> None:
        """Send SIGKILL to every process of PostgreSQL, and start it again."""
        self._world.postgres.kill()
        self._world.postgres.start()


def check(world: World, deaths: ServerKills) -> None:
    """Assert that each log entry has one row with the right columns.

    A row without a recorded log entry is allowed only within `MOMENT` of a kill.
    """
    wait_for_every_entry(world, SETTLING)
    ledger = read_ledger(world)
    assert "\n".join(ledger.reviewed_differences()) == ""
    kills = list(deaths.moments)
    for row in ledger.unseen:
        kill = next((moment for moment in kills if abs(moment - row["time"]) < MOMENT), None)
        assert kill is not None, f"nobody saw {row['event_id']} at {row['time']}; kills: {deaths.moments}"
        kills.remove(kill)  # one kill explains one such row at most


@pytest.fixture(scope="module")
def deaths(world: World) -> ServerKills:
    """Return one record of kills for the module, because later tests still see the rows of earlier kills."""
    return ServerKills(world)


def dice_of(what: str) -> tuple[int, random.Random]:
    """Return a seed and its random generator, and print the seed."""
    seed = int(os.environ.get("DUCKWATCH_CRASH_SEED") or random.randrange(10**9))
    print(f"\n{what}: seed {seed}, {ROUNDS} rounds")
    return seed, random.Random(seed)


@pytest.mark.parametrize(
    "victim",
    [
        ServerKills.zonemta_sender,
        ServerKills.zonemta_master,
        ServerKills.zonemta_sigterm,
        ServerKills.zonemta_everything,
        ServerKills.collector,
        ServerKills.collector_sigterm,
        ServerKills.postgres,
    ],
)
def test_kill(world: World, deaths: ServerKills, victim: Callable[[ServerKills], None]) -> None:
    """Killing or stopping a server at random moments under load loses no recorded log entry and stores none twice."""
    seed, deaths.dice = dice_of(victim.__name__)
    with Load(world.zonemta, seed) as load:
        for _ in range(ROUNDS):
            flow(load)
            time.sleep(deaths.dice.uniform(0, 2))  # so that the kill comes at a random moment
            victim(deaths)
        flow(load)
    check(world, deaths)


def flow(load: Load) -> None:
    """Wait until more than ten further letters were sent."""
    enough = load.sent + 10
    wait_until(lambda: load.sent > enough, "mail flows", 60)


def test_collector_away(world: World, deaths: ServerKills) -> None:
    """While the collector is stopped, the plugin spools the events, and each is stored after the collector is back."""
    seed, _ = dice_of("collector away")
    with Load(world.zonemta, seed) as load:
        flow(load)
        world.collector.stop()
        time.sleep(AWAY)
        assert world.unsent(), "nothing is spooled"
        world.collector.start()
        flow(load)
    check(world, deaths)


def test_postgres_away(world: World, deaths: ServerKills) -> None:
    """While PostgreSQL is stopped, the collector acknowledges events into its journal, and each is stored later."""
    seed, _ = dice_of("PostgreSQL away")
    with Load(world.zonemta, seed) as load:
        flow(load)
        world.postgres.stop()
        stored = world.collector.total("duckwatch_ingest_events_total")
        time.sleep(AWAY)
        assert world.collector.total("duckwatch_ingest_events_total") > stored, "nothing is acknowledged"
        assert world.collector.total("duckwatch_journal_requests") > 0
        world.postgres.start()
        flow(load)
    check(world, deaths)
    wait_until(lambda: world.collector.total("duckwatch_journal_requests") == 0, "the journal is empty", SETTLING)


def test_nothing_is_left_behind(world: World, deaths: ServerKills) -> None:
    """After all kills no spool holds events, the plugin dropped none, and there is no dead letter."""
    check(world, deaths)
    wait_until(lambda: world.unsent() == [], lambda: f"unsent: {world.unsent()}", SETTLING, every=0.5)
    assert world.collector.total("duckwatch_plugin_dropped_events_total") == 0
    assert world.collector.total("duckwatch_dead_letters_total") == 0
