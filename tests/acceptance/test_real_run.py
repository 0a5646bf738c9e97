"""Tests that send some hundred messages through a real ZoneMTA and compare table, metrics, sinks and recorder."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance import verdicts
from tests.acceptance.ledger import Ledger, read_ledger, wait_for_every_entry
from tests.acceptance.mail import Letter, Load, Submitter, every_fate, everyday
from tests.acceptance.numbers import counters, shown
from tests.acceptance.world import CLUSTER, HOST
from tests.oracle.comparison import key_of, read_rows
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from tests.acceptance.world import World

pytestmark = [pytest.mark.servers, pytest.mark.timeout(420)]

LETTERS = 250
QUIET = 120  # s for the last retry of ZoneMTA, and for its row
ACTIONS = {
    "queued",
    "delivered",
    "deferred",
    "bounced",
    "dropped",
    "refused",
    "deleted",
    "dsn_queued",
    "spam_checked",
    "virus_checked",
}


@dataclass(frozen=True, slots=True)
class Run:
    """The servers, the ledger and the rows after all mail of the run was processed."""

    world: World
    ledger: Ledger
    rows: list[dict[str, Any]]


@pytest.fixture(scope="module")
def run(world: World) -> Run:
    """Send every kind of letter, and wait until ZoneMTA's queue and the collector's journal are empty."""
    world.zonemta.api("POST", "/suppressionlist", address="suppressed@gmail.example")
    submitter = Submitter(world.zonemta)
    kept = submitter.send(Letter("ops@app.example", ("slow.deleted@icloud.example",), "to be deleted"))
    queue_id = kept.rsplit(" ", 1)[1]
    world.zonemta.api("DELETE", f"/message/{queue_id}/001")
    submitter.send(Letter("ops@app.example", ("suppressed@gmail.example", "ok.s@gmail.example"), "to be suppressed"))
    for letter in itertools.chain(every_fate(), itertools.islice(everyday(seed=1), LETTERS)):
        submitter.send(letter)
    submitter.close()
    settle(world)
    return Run(world, read_ledger(world), read_rows(world.dsn))


def settle(world: World) -> None:
    """Wait until ZoneMTA's queue is empty, each recorded log entry has its row, and the journal is empty."""
    wait_until(lambda: world.zonemta.queued() == 0, "ZoneMTA's queue is empty", QUIET, every=0.5)
    wait_for_every_entry(world, QUIET)
    wait_until(
        lambda: world.collector.total("duckwatch_journal_requests") == 0, "the journal is empty", QUIET, every=0.5
    )


def test_every_kind_of_event_happened(run: Run) -> None:
    """The run has each action of `ACTIONS` and no other, more than `LETTERS` deliveries, and all three contexts."""
    actions = Counter(row["action"] for row in run.rows)
    assert set(actions) == ACTIONS
    assert actions["delivered"] > LETTERS
    assert {row["context"] for row, _ in run.ledger.pairs} == {"receiver", "sender", "main"}


def test_the_table_is_what_the_recorder_saw(run: Run) -> None:
    """Each recorded log entry has exactly one row, no other row exists, and each column is right."""
    assert run.ledger.missing == []
    assert run.ledger.unseen == []
    assert "\n".join(run.ledger.differences()) == ""
    assert len(run.rows) == len(run.ledger.pairs)


def test_deliveries_are_what_the_sinks_accepted(run: Run) -> None:
    """The delivered rows are the recipients that a sink accepted, with the sink's reply, and the accepted uploads."""
    answers = run.world.sinks.seen()
    assert verdicts.delivered(run.rows) == verdicts.accepted(answers)
    uploads = [answer for answer in answers if answer["verdict"] == "accepted" and not answer["to"]]
    uploaded = [row for row in run.rows if row["action"] == "delivered" and row["smtp_code"] is None]
    assert {(row["queue_id"], row["seq"]) for row in uploaded} == {(a["id"], a["seq"]) for a in uploads}


def test_failures_are_what_the_sinks_refused(run: Run) -> None:
    """Each refusal of a sink has one deferred or bounced row with the same sender, recipient and SMTP code."""
    assert verdicts.failed(run.rows) == verdicts.refused(run.world.sinks.seen())


def test_the_counters_are_the_table(run: Run) -> None:
    """Each mail counter of /metrics equals the count of its rows, for each set of labels, and no dead letter exists."""
    page = run.world.collector.metrics()
    assert shown(page) == counters(run.rows)
    assert page.get("duckwatch_dead_letters_total", {}) in (
        {},
        dict.fromkeys(page.get("duckwatch_dead_letters_total", {}), 0),
    )


def test_prometheus_has_the_same_numbers(run: Run) -> None:
    """A real Prometheus that scrapes the collector has the number of rows of each action."""
    wanted = {(("action", action),): float(n) for action, n in Counter(row["action"] for row in run.rows).items()}
    promql = "sum by (action) (duckwatch_mail_events_total) > 0"
    wait_until(lambda: run.world.prometheus.query(promql) == wanted, "Prometheus has scraped the last numbers", 15)


def test_the_plugin_has_nothing_left(run: Run) -> None:
    """After the run the spools are empty, and the metrics show an empty spool, no dropped event and our host."""
    wait_until(lambda: run.world.unsent() == [], "the plugin's spools are empty", 30)
    where = (("host", HOST), ("mail_cluster", CLUSTER))

    def is_reported() -> bool:
        page = run.world.collector.metrics()
        return page["duckwatch_plugin_spool_bytes"].get(where) == 0

    wait_until(is_reported, "a heartbeat reports an empty spool", 60, every=0.5)
    page = run.world.collector.metrics()
    assert page["duckwatch_plugin_dropped_events_total"].get(where, 0) == 0
    assert [dict(labels)["host"] for labels in page["duckwatch_plugin_info"]] == [HOST]


def test_sigterm_of_the_collector_loses_nothing(run: Run) -> None:
    """A collector that is stopped by SIGTERM under load exits with 0, each log entry has one row after its restart, and
    the new process counts exactly the rows that it added.
    """
    world = run.world
    with Load(world.zonemta, seed=2) as load:
        wait_until(lambda: load.sent > 20, "mail flows")
        assert world.collector.stop() == 0
        before = {key_of(row) for row in read_rows(world.dsn)}
        wait_until(lambda: load.sent > 60, "mail flows while the collector is away")
        world.collector.start()
        wait_until(lambda: load.sent > 100, "mail flows after it came back", 60)
    settle(world)
    ledger = read_ledger(world)
    assert ledger.missing == []
    assert ledger.unseen == []
    assert "\n".join(ledger.differences()) == ""
    rows = read_rows(world.dsn)
    assert len(before) < len(rows)
    assert shown(world.collector.metrics()) == counters([row for row in rows if key_of(row) not in before])
