"""Tests of the plugin and the backup sources (change stream, bounce webhook, GELF) of one real ZoneMTA.

They check the rows that the backup sources add, and that the plugin's events replace them.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.acceptance import verdicts
from tests.acceptance.ledger import read_ledger, wait_for_every_entry
from tests.acceptance.mail import Submitter, everyday
from tests.acceptance.roads import (
    QUIET,
    GelfSender,
    count,
    filled,
    knowable,
    recovered,
    wait_until_decided,
    wait_until_followed,
)
from tests.oracle.comparison import read_rows
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from tests.acceptance.world import World

pytestmark = [pytest.mark.servers, pytest.mark.timeout(420)]

SMALL_WORLD = True
BACKED_UP = True
LETTERS = 40
FEW = 25


def send(world: World, seed: int, letters: int = LETTERS) -> None:
    """Send everyday letters and wait until ZoneMTA's queue is empty."""
    submitter = Submitter(world.zonemta)
    for letter in itertools.islice(everyday(seed=seed), letters):
        submitter.send(letter)
    submitter.close()
    wait_until(lambda: world.zonemta.queued() == 0, "ZoneMTA's queue is empty", QUIET, every=0.5)


def the_table_is_the_plugins(world: World) -> None:
    """Assert that each recorded log entry has one row with the right columns, and that no other row exists."""
    wait_for_every_entry(world, QUIET)
    ledger = read_ledger(world)
    assert ledger.missing == []
    assert ledger.unseen == []
    assert "\n".join(ledger.differences()) == ""


def test_everything_on_at_once_is_what_the_sinks_saw_and_nothing_is_double(world: World) -> None:
    """With all sources on, each row is the plugin's and equals a sink's answer, and no held event is left."""
    # The change stream reports only the changes after its start, so it must be followed first.
    wait_until_followed(world)
    with GelfSender(world) as teller:
        send(world, seed=11)
    the_table_is_the_plugins(world)
    wait_until_decided(world)
    rows, answers = read_rows(world.dsn), world.sinks.seen()
    assert {row["source"] for row in rows} == {"plugin"}
    assert verdicts.delivered(rows) == verdicts.accepted(answers)
    assert verdicts.failed(rows) == verdicts.refused(answers)
    assert count(world, "SELECT count(*) FROM held_events") == 0
    assert recovered(world) == {}
    page = world.collector.metrics()
    assert sum(page["duckwatch_changestream_changes_total"].values()) > LETTERS
    assert page["duckwatch_gelf_messages_total"][("result", "taken"),] == teller.told
    assert page["duckwatch_http_requests_total"][("code", "202"), ("route", "/api/events/bounce")] > 0


def test_what_the_plugin_cannot_send_is_there_and_gives_way_when_it_can(world: World) -> None:
    """While the plugin cannot reach the collector, backup sources store rows, which the plugin's events later replace,
    so that for each action rows = events - corrections{from}.
    """
    world.road.go_deaf()
    send(world, seed=12)
    # If a heartbeat before the cut reported unsent events, held events wait for two minutes.
    wait_until_decided(world)
    sources = Counter(row["source"] for row in read_rows(world.dsn))
    del sources["plugin"]
    assert sources["change_stream"] > LETTERS
    assert sources["bounce"] > 0
    # A bounce webhook that arrives late takes over the row of the change stream.
    page = world.collector.metrics()
    late = int(sum(page.get("duckwatch_mail_corrections_total", {}).values()))
    assert recovered(world) == sources + Counter(change_stream=late)
    told = page["duckwatch_backup_recovered_total"]
    assert {dict(labels)["reason"] for labels, value in told.items() if value} == {"missed"}
    world.road.hear_again()
    world.road.cut()
    the_table_is_the_plugins(world)
    wait_until(lambda: count(world, "SELECT count(*) FROM held_events") == 0, "nothing is held any more", QUIET)
    page = world.collector.metrics()
    rows = Counter(row["action"] for row in read_rows(world.dsn))
    events: Counter[str] = Counter()
    for labels, value in page["duckwatch_mail_events_total"].items():
        events[dict(labels)["action"]] += int(value)
    for labels, value in page["duckwatch_mail_corrections_total"].items():
        events[dict(labels)["from"]] -= int(value)
    assert +events == rows


def test_a_stretch_without_the_plugin_is_in_the_table(world: World) -> None:
    """Without the plugin, backup sources store each message, deferral and end once, and the recovered counters grow
    by the rows of each source and the late take-overs.
    """

    def late() -> int:
        return int(world.collector.total("duckwatch_mail_corrections_total"))

    before, late_before, began = recovered(world), late(), int(time.time() * 1000)
    world.zonemta.stop()
    world.zonemta.load_plugin(None)
    world.zonemta.start()
    send(world, seed=13, letters=FEW)
    wait_until_decided(world)
    seen = [record for record in world.zonemta.recorded() if record["time_ms"] > began]
    rows = [row for row in read_rows(world.dsn) if row["source"] != "plugin"]
    assert filled(rows) == knowable(seen)
    sources = Counter(row["source"] for row in rows)
    assert recovered(world) - before == sources + Counter(change_stream=late() - late_before)
    recipients = Counter(
        {one["entry"]["id"]: len(one["entry"]["to"].split(",")) for one in seen if one["entry"]["action"] == "QUEUED"}
    )
    assert Counter({row["queue_id"]: row["recipients"] for row in rows if row["action"] == "queued"}) == recipients
    refused = {(one["entry"]["id"], one["entry"]["seq"]) for one in seen if one["entry"]["action"] == "REJECTED"}
    assert {(row["queue_id"], row["seq"]) for row in rows if row["action"] == "bounced"} <= refused
