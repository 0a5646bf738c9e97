"""A real ZoneMTA whose queue is followed beside the plugin: what the change stream adds, and what is left of it once the plugin has told."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.acceptance.ledger import read_ledger, wait_for_every_entry
from tests.acceptance.mail import Submitter, everyday
from tests.oracle.comparison import read_rows
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from tests.acceptance.world import World

pytestmark = [pytest.mark.servers, pytest.mark.timeout(420)]

SMALL_WORLD = True
BACKED_UP = True
LETTERS = 60
QUIET = 150  # s


def send(world: World, seed: int) -> None:
    """Letters of every day, until ZoneMTA has nothing left to do with them."""
    submitter = Submitter(world.zonemta)
    for letter in itertools.islice(everyday(seed=seed), LETTERS):
        submitter.send(letter)
    submitter.close()
    wait_until(lambda: world.zonemta.queued() == 0, "ZoneMTA's queue is empty", QUIET, every=0.5)


def count(world: World, statement: str) -> int:
    """The number that a query gives."""
    with psycopg.connect(world.dsn) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def nothing_waits(world: World) -> None:
    """Every held event has been stored or dropped."""
    waiting = "SELECT count(*) FROM held_events WHERE stored_time IS NULL"
    followed = "SELECT count(*) FROM queue_entries"
    wait_until(lambda: count(world, followed) == 0, "the stream has told of every end", QUIET, every=0.5)
    wait_until(lambda: count(world, waiting) == 0, "nothing is held that waits", QUIET, every=0.5)


def the_table_is_the_plugins(world: World) -> None:
    """Each recorded entry is one row, and there is no other."""
    wait_for_every_entry(world, QUIET)
    ledger = read_ledger(world)
    assert ledger.missing == []
    assert ledger.unseen == []
    assert "\n".join(ledger.differences()) == ""


def test_beside_the_plugin_the_change_stream_adds_nothing(world: World) -> None:
    """All that it tells is held, found to be told already, and dropped."""
    # The mail is sent while both are there: first the stream must be.
    wait_until(lambda: count(world, "SELECT count(*) FROM change_feeds WHERE token IS NOT NULL") == 1, "it follows", 60)
    send(world, seed=11)
    the_table_is_the_plugins(world)
    nothing_waits(world)
    assert count(world, "SELECT count(*) FROM mail_events WHERE source <> 'plugin'") == 0
    assert count(world, "SELECT count(*) FROM held_events") == 0
    assert world.collector.total("duckwatch_changestream_changes_total") > LETTERS
    assert sum(world.collector.metrics().get("duckwatch_backup_recovered_total", {}).values()) == 0


def test_what_the_plugin_cannot_send_is_there_and_gives_way_when_it_can(world: World) -> None:
    """Cut off, the plugin spools; the change stream fills the hole and says how much. Then all is as if nothing had happened, and for each
    action rows = events - corrections{from}.
    """
    world.road.go_deaf()
    send(world, seed=12)
    # A report just before the cut may have named something unsent: then they wait for two minutes.
    nothing_waits(world)
    recovered = count(world, "SELECT count(*) FROM mail_events WHERE source = 'change_stream'")
    assert recovered > LETTERS
    told = world.collector.metrics()["duckwatch_backup_recovered_total"]
    assert {dict(labels)["reason"] for labels, value in told.items() if value} == {"missed"}
    assert sum(told.values()) == recovered
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
