"""Whatever dies under load, and whatever is away: each entry that the recorder saw is in the table, once.

`DUCKWATCH_CRASH_ROUNDS` (default 3) is how often each victim dies;
`DUCKWATCH_AWAY_SECONDS` (default 20) how long a server is away. Every test prints its seed;
`DUCKWATCH_CRASH_SEED` takes one again.
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

SMALL_WORLD = True  # a ZoneMTA of few processes: it is started many times

SETTLING = 90  # s: the plugin retries at most 30 s apart, and a dead process's spool is claimed after some
MOMENT = (
    1000  # ms around a kill in which our plugin may have seen an entry that the recorder behind it did not live to see
)


class Deaths:
    """The victims, and when a process of ZoneMTA was killed (epoch ms)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.dice = random.Random()
        self.moments: list[int] = []

    def _kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self.moments.append(int(time.time() * 1000))

    def zonemta_sender(self) -> None:
        """SIGKILL to a process that delivers; the master starts another."""
        zonemta = self._world.zonemta
        wait_until(lambda: zonemta.processes("sender/"), "a sender process is there")
        victim = self.dice.choice(zonemta.processes("sender/"))
        self._kill(victim)
        wait_until(
            lambda: victim not in zonemta.processes("sender/") and zonemta.has_plugins(), "a sender took its place"
        )

    def zonemta_master(self) -> None:
        """SIGKILL to the master; its children find out and end."""
        self.moments.append(int(time.time() * 1000))
        self._world.zonemta.kill()
        self._world.zonemta.start()

    def zonemta_sigterm(self) -> None:
        """SIGTERM to the master, as at every restart and upgrade."""
        self._world.zonemta.stop()
        self._world.zonemta.start()

    def zonemta_everything(self) -> None:
        """SIGKILL to every process of ZoneMTA at once, as the OOM killer of a container does."""
        self.moments += [int(time.time() * 1000)] * len(self._world.zonemta.everyone())
        self._world.zonemta.kill_all()
        self._world.zonemta.start()

    def collector(self) -> None:
        """SIGKILL to the collector."""
        self._world.collector.kill()
        self._world.collector.start()

    def collector_sigterm(self) -> None:
        """SIGTERM to the collector, as at every restart and upgrade; it ends by itself and well."""
        assert self._world.collector.stop() == 0
        self._world.collector.start()

    def postgres(self) -> None:
        """SIGKILL to every process of PostgreSQL."""
        self._world.postgres.kill()
        self._world.postgres.start()


def check(world: World, deaths: Deaths) -> None:
    """Every entry is in the table once, every column right;
    what only our plugin saw was seen in the moment of a kill.
    """
    wait_for_every_entry(world, SETTLING)
    ledger = read_ledger(world)
    assert "\n".join(ledger.reviewed_differences()) == ""
    kills = list(deaths.moments)
    for row in ledger.unseen:
        kill = next((moment for moment in kills if abs(moment - row["time"]) < MOMENT), None)
        assert kill is not None, f"nobody saw {row['event_id']} at {row['time']}; kills: {deaths.moments}"
        kills.remove(kill)  # a process dies at one entry, not at several


@pytest.fixture(scope="module")
def deaths(world: World) -> Deaths:
    """All deaths of this world: an entry that only the plugin saw stays in the table for the tests behind."""
    return Deaths(world)


def dice_of(what: str) -> tuple[int, random.Random]:
    """A seed, printed, and its dice."""
    seed = int(os.environ.get("DUCKWATCH_CRASH_SEED") or random.randrange(10**9))
    print(f"\n{what}: seed {seed}, {ROUNDS} rounds")
    return seed, random.Random(seed)


@pytest.mark.parametrize(
    "victim",
    [
        Deaths.zonemta_sender,
        Deaths.zonemta_master,
        Deaths.zonemta_sigterm,
        Deaths.zonemta_everything,
        Deaths.collector,
        Deaths.collector_sigterm,
        Deaths.postgres,
    ],
)
def test_kill(world: World, deaths: Deaths, victim: Callable[[Deaths], None]) -> None:
    """`kill -9` at random moments under load loses nothing that the recorder saw, and doubles nothing."""
    seed, deaths.dice = dice_of(victim.__name__)
    with Load(world.zonemta, seed) as load:
        for _ in range(ROUNDS):
            flow(load)
            time.sleep(deaths.dice.uniform(0, 2))  # the moment is the dice's
            victim(deaths)
        flow(load)
    check(world, deaths)


def flow(load: Load) -> None:
    """Waits until some letters more were sent."""
    enough = load.sent + 10
    wait_until(lambda: load.sent > enough, "mail flows", 60)


def test_collector_away(world: World, deaths: Deaths) -> None:
    """The collector is gone for a while under load: the plugin keeps what comes, and all of it is stored afterwards."""
    seed, _ = dice_of("collector away")
    with Load(world.zonemta, seed) as load:
        flow(load)
        world.collector.stop()
        time.sleep(AWAY)
        assert world.unsent(), "nothing is spooled"
        world.collector.start()
        flow(load)
    check(world, deaths)


def test_postgres_away(world: World, deaths: Deaths) -> None:
    """PostgreSQL is gone for a while under load: the collector acknowledges into its journal,
    and all of it is stored afterwards.
    """
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


def test_nothing_is_left_behind(world: World, deaths: Deaths) -> None:
    """After all these deaths no spool holds anything, and the plugin dropped nothing."""
    check(world, deaths)
    wait_until(lambda: world.unsent() == [], lambda: f"unsent: {world.unsent()}", SETTLING, every=0.5)
    assert world.collector.total("duckwatch_plugin_dropped_events_total") == 0
    assert world.collector.total("duckwatch_dead_letters_total") == 0
