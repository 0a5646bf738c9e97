"""`kill -9` of the collector and of MongoDB under load, with all backup sources on, with and without the plugin.

`DUCKWATCH_CRASH_ROUNDS` (default 3) is how often a test kills the collector. It kills MongoDB a quarter as often.
Each test prints its seed. `DUCKWATCH_CRASH_SEED` repeats a seed.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from math import ceil
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.acceptance import verdicts
from tests.acceptance.ledger import Ledger, draw_up
from tests.acceptance.mail import Load
from tests.acceptance.roads import (
    QUIET,
    GelfSender,
    filled,
    knowable,
    never_queued,
    wait_until_decided,
    wait_until_followed,
)
from tests.oracle.comparison import read_rows
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from tests.acceptance.roads import Record, Row
    from tests.acceptance.world import World

ROUNDS = int(os.environ.get("DUCKWATCH_CRASH_ROUNDS", "3"))

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300 + 90 * ROUNDS)]

SMALL_WORLD = True
BACKED_UP = True

UNSURE = 5000  # ms around a kill of MongoDB: ZoneMTA may have called its hooks for a write that was lost


class MailFromNow:
    """The mail that is sent from now on: its recorded log entries, its rows and its answers, without earlier mail."""

    def __init__(self, world: World) -> None:
        self._world, self._began = world, int(time.time() * 1000)
        self.deaths: list[int] = []

    def _is_of_it(self, queue_id: str | None) -> bool:
        return queue_id is not None and int(queue_id[:11], 16) >= self._began

    def records(self) -> list[Record]:
        """Return the recorded log entries of this mail."""
        return [one for one in self._world.zonemta.recorded() if self._is_of_it(one["entry"].get("id"))]

    def answers(self) -> list[dict[str, Any]]:
        """Return the sinks' answers to this mail."""
        return [one for one in self._world.sinks.seen() if self._is_of_it(one.get("id"))]

    def rows(self) -> list[Row]:
        """Return the rows of this mail."""
        return [row for row in read_rows(self._world.dsn) if self._is_of_it(row["queue_id"])]

    def ledger(self) -> Ledger:
        """Return the ledger of this mail at this moment."""
        records = self.records()
        return draw_up(records, self.rows())

    def kill_at_random(self) -> None:
        """Send mail, and kill servers in an order and at times that follow from a seed. Print the seed."""
        seed = int(os.environ.get("DUCKWATCH_CRASH_SEED") or random.randrange(10**9))
        dice = random.Random(seed)
        victims = [self._kill_collector] * ROUNDS + [self._kill_mongo] * ceil(ROUNDS / 4)
        print(f"\nseed {seed}: {len(victims)} deaths")
        dice.shuffle(victims)
        with Load(self._world.zonemta, seed) as load:
            for kill in victims:
                _flow(load)
                time.sleep(dice.uniform(0, 2))
                kill()
            _flow(load)

    def _kill_collector(self) -> None:
        self._world.collector.kill()
        self._world.collector.start()

    def _kill_mongo(self) -> None:
        self.deaths.append(int(time.time() * 1000))
        self._world.mongo.kill()
        self._world.mongo.start()

    def is_unsure(self, record: Record) -> bool:
        """Return whether a kill of MongoDB was within `UNSURE` of this log entry."""
        return any(abs(record["time_ms"] - death) < UNSURE for death in self.deaths)

    def drain(self, patience: float) -> None:
        """Return when ZoneMTA's queue is empty. Restart ZoneMTA if it is not empty after `patience` (s).

        An entry that ZoneMTA could not release while MongoDB was down stays locked until ZoneMTA restarts.
        """
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self._world.zonemta.queued() == 0, "ZoneMTA's queue is empty", patience, every=0.5)
            return
        self._world.zonemta.stop()
        self._world.zonemta.start()
        # The load has queued more than one sender process can deliver, so this takes longer.
        wait_until(
            lambda: self._world.zonemta.queued() == 0, "ZoneMTA's queue is empty", QUIET + 30 * ROUNDS, every=0.5
        )


def _flow(load: Load) -> None:
    """Wait until more than ten further letters were sent."""
    enough = load.sent + 10
    wait_until(lambda: load.sent > enough, "mail flows", 120)


def run_with(world: World, plugin: dict[str, Any] | None) -> None:
    """Restart ZoneMTA with these settings of our plugin, or without the plugin (None)."""
    world.zonemta.stop()
    world.zonemta.load_plugin(plugin)
    world.zonemta.start()
    wait_until_followed(world)


def test_without_the_plugin(world: World) -> None:
    """Without the plugin, each slot that a backup source can fill is filled once, also for messages that were queued
    before the collector was killed and ended before it was back.
    """
    run_with(world, None)
    stretch = MailFromNow(world)
    stretch.kill_at_random()
    world.collector.kill()
    with psycopg.connect(world.dsn) as connection:
        before = connection.execute("SELECT queue_id, seq FROM queue_entries").fetchall()
    assert before, "nothing was queued"
    stretch.drain(5)
    world.collector.start()
    wait_until_decided(world)
    rows, seen = stretch.rows(), stretch.records()
    found, told = filled(rows), knowable(seen)
    print(f"{len(seen)} entries, {len(found)} slots, {len(before)} queued before the absence")
    assert {slot: times for slot, times in found.items() if times > 1} == {}
    assert {(*one, "end") for one in before} - found.keys() == set()
    assert knowable([one for one in seen if not stretch.is_unsure(one)]).keys() - found.keys() == set()
    # ZoneMTA refused a message that MongoDB had written: MongoDB was killed before its answer.
    refused_late = {
        one["entry"]["id"] for one in seen if one["entry"]["action"] == "NOQUEUE" and stretch.is_unsure(one)
    }
    assert {slot for slot in found.keys() - told.keys() if slot[0] not in refused_late} == set()
    assert {one for one, _, name in told if name == "queued"} & never_queued(world) == set()
    refused = {(one["entry"]["id"], one["entry"]["seq"]) for one in seen if one["entry"]["action"] == "REJECTED"}
    assert {(row["queue_id"], row["seq"]) for row in rows if row["action"] == "bounced"} <= refused


@pytest.mark.skipif(
    ROUNDS < 10, reason="a campaign (make crash): test_kills.py and test_backup_road.py have it in parts"
)
def test_with_every_road(world: World) -> None:
    """Each recorded log entry has one row of the plugin, the delivered rows equal the sinks' acceptances, and backup
    sources add only events that the recorder did not see.
    """
    run_with(world, world.plugin)
    stretch = MailFromNow(world)
    with GelfSender(world) as teller:
        stretch.kill_at_random()
        stretch.drain(10)
    wait_until(lambda: not stretch.ledger().missing, lambda: f"missing: {stretch.ledger().missing[:3]}", QUIET, every=1)
    wait_until_decided(world)
    ledger, rows = stretch.ledger(), stretch.rows()
    print(f"{len(rows)} rows, {teller.told} told by GELF, nobody saw {[row['event_id'] for row in ledger.unseen]}")
    assert "\n".join(ledger.reviewed_differences()) == ""
    assert {row["source"] for _, row in ledger.pairs} == {"plugin"}
    assert "plugin" not in {row["source"] for row in ledger.unseen}
    told = knowable(stretch.records())
    assert {one for one, _, name in told if name == "queued"} & never_queued(world) == set()
    assert told - filled(rows) == {}
    assert (filled(rows) - told).keys() & told.keys() == set()
    assert verdicts.delivered(rows) == verdicts.accepted(stretch.answers())
