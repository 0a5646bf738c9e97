"""Events of several sources about the same mail become one row, the best source's, in any order of arrival."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql

from collector.events.model.batch import Batch, SeenHeartbeat
from collector.events.model.event import (
    Action,
    BounceKind,
    Direction,
    Heartbeat,
    MailEvent,
    Provider,
    Reason,
    Source,
)
from collector.events.model.precedence import END, RANKS, WHOLE, slots_of
from collector.events.model.side_tables import HeldEvent
from collector.jobs import Reconcile
from collector.metrics import Metrics
from collector.metrics.mail import MailMetrics
from collector.store.database.connection import connect
from tests.oracle.rollups import assert_equal

if TYPE_CHECKING:
    from tests.integration.house import House

pytestmark = pytest.mark.servers

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MS = int(NOW.timestamp() * 1000)
SECOND, HOUR = 1000, 3_600_000
LATE = 14 * SECOND
"""Late in a bucket of 15 s, where rounding instead of flooring gives another bucket."""


def told(source: Source, action: Action, seq: str | None = "001", *, queue_id: str = "q1", **values: Any) -> MailEvent:
    """Return an event of a source, late in a bucket, by default 1.5 hours before NOW. Each source has its own time."""
    given: dict[str, Any] = {
        "time": MS - 2 * HOUR + LATE + RANKS[source],
        "cluster": "eu1",
        "host": None,
        "action": action,
        "source": source,
        "direction": Direction.OUTBOUND,
        "queue_id": queue_id,
        "seq": seq,
        "recipients": 1,
        "received_at": MS - 2 * HOUR,
    } | values
    detail = f":{given['attempt']}" if given.get("attempt") else ""
    given.setdefault("event_id", f"{queue_id}{'.' + seq if seq else ''}:{action.value}{detail}")
    return MailEvent(**given)


class AllSources:
    """A database, its metrics, and all sources."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.metrics = Metrics()
        self.mail = MailMetrics(self.metrics, now=NOW.timestamp)
        self.journal_age: float | None = None
        graces = {"quick": timedelta(seconds=1)}
        self.job = Reconcile(graces, journal_age=lambda: self.journal_age, count=self.mail)

    def tell(self, *events: MailEvent, is_unsendable: bool = False) -> None:
        """Write events: the plugin's are stored at once, a backup source's are held."""
        direct = [event for event in events if event.source is Source.PLUGIN]
        held = [
            HeldEvent.of(event, slots_of(event)[0], is_unsendable=is_unsendable)
            for event in events
            if event.source is not Source.PLUGIN
        ]
        self.mail(self.house.store.write(Batch(direct, records=held)))

    def report(self, oldest_unsent: int | None, received_at: int, cluster: str = "eu1") -> None:
        """Write a plugin's heartbeat with its oldest unsent event."""
        seen = SeenHeartbeat(Heartbeat(cluster, "mta1", "p", "1", 0, oldest_unsent, 0), received_at)
        self.house.store.write(Batch(heartbeats=[seen]))

    def reconcile(self, now: datetime = NOW) -> None:
        """Run the job once."""
        self.job.run(self.house.connection, now, lambda: False)

    def rows(self) -> list[tuple[str, ...]]:
        """Return message, recipient, action and source of each row."""
        return self.house.connection.execute(
            "SELECT queue_id, coalesce(seq, ''), action, source FROM mail_events ORDER BY 1, 2, 3, 4"
        ).fetchall()

    def held(self) -> list[tuple[Any, ...]]:
        """Return slot and source of each held event, and whether it has been stored."""
        return self.house.connection.execute(
            "SELECT queue_id, seq, slot, source, stored_time IS NOT NULL FROM held_events ORDER BY 1, 2, 3, 4"
        ).fetchall()

    def sum(self, name: str, label: str) -> Counter[str]:
        """Return a counter's values, summed by one label."""
        found: Counter[str] = Counter()
        for metric in self.metrics.registry.collect():
            for sample in metric.samples:
                if sample.name == f"duckwatch_{name}_total":
                    found[sample.labels[label]] += int(sample.value)
        return +found

    def agree(self) -> None:
        """Assert that rows = events - corrections{from} for each action, and that the roll-ups equal the table."""
        counted = self.sum("mail_events", "action")
        counted.subtract(self.sum("mail_corrections", "from"))
        assert +counted == Counter(row[2] for row in self.rows())
        self.house.roll_up(NOW)
        assert_equal(self.house.connection)


@pytest.fixture
def roads(house: House) -> AllSources:
    """Return all sources on a new database."""
    return AllSources(house)


def test_what_is_recovered_counts_as_outbound_mail(roads: AllSources) -> None:
    """A recovered event moves the counters of outbound mail by direction, reason and kind; a DSN moves none."""
    blamed = {"reason": Reason.REPUTATION, "provider": Provider.GMX, "local_ip": "192.0.2.7"}
    roads.tell(
        told(Source.BOUNCE, Action.BOUNCED, bounce_kind=BounceKind.SOFT, provider_code="bl", **blamed),
        told(Source.GELF, Action.QUEUED, None, queue_id="q2", recipients=3),
        told(Source.GELF, Action.DEFERRED, queue_id="q2", attempt=1, **blamed),
        told(Source.BOUNCE, Action.BOUNCED, queue_id="q3", direction=Direction.DSN, reason=Reason.POLICY),
    )
    roads.reconcile()
    assert roads.sum("mail_bounces", "reason") == {"reputation": 1}
    assert roads.sum("mail_bounces", "kind") == {"soft": 1}
    assert roads.sum("mail_deferrals", "reason") == {"reputation": 1}
    assert roads.sum("mail_recipients_queued", "mail_cluster") == {"eu1": 3}
    assert roads.sum("mail_provider_signals", "code") == {"bl": 1}
    assert roads.sum("sending_ip_events", "outcome") == {"blocklisted": 2}
    roads.agree()


def test_what_nobody_told_better_is_stored_once(roads: AllSources) -> None:
    """After its grace a backup source's event becomes a row, and is counted once and as recovered."""
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED))
    for _ in range(2):
        roads.reconcile()
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED))
    roads.reconcile()
    assert roads.rows() == [("q1", "001", "released", "change_stream")]
    assert roads.sum("backup_recovered", "reason") == {"no_plugin": 1}
    roads.agree()


def test_each_bucket_counts_what_a_backup_source_told_of_any_moment_of_it(roads: AllSources) -> None:
    """Recovered events are counted in their bucket, from its first to its last millisecond, also if it was built
    before.
    """
    offsets = [0, 1, 7_499, 7_500, 7_501, 14_999, *random.Random(5).sample(range(15_000), 20)]
    stamps = [MS - 2 * HOUR + 15_000 * number + offset for number, offset in enumerate(offsets)]
    roads.tell(*(told(Source.PLUGIN, Action.QUEUED, None, queue_id=f"p{at}", time=at) for at in stamps))
    roads.agree()
    roads.tell(*(told(Source.BOUNCE, Action.BOUNCED, queue_id=f"b{at}", time=at) for at in stamps))
    roads.reconcile()
    roads.agree()
    assert len(roads.rows()) == 2 * len(stamps)


def test_what_the_plugin_told_is_not_told_again(roads: AllSources) -> None:
    """A backup source's event for a slot that the plugin has filled is dropped."""
    roads.tell(told(Source.PLUGIN, Action.DELIVERED), told(Source.PLUGIN, Action.QUEUED, None))
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED), told(Source.CHANGE_STREAM, Action.QUEUED, None))
    roads.reconcile()
    assert roads.rows() == [("q1", "", "queued", "plugin"), ("q1", "001", "delivered", "plugin")]
    assert roads.held() == []
    assert roads.sum("backup_recovered", "reason") == {}
    roads.agree()


def test_the_plugin_takes_over_whenever_it_comes(roads: AllSources) -> None:
    """The plugin's row replaces a backup source's at any time, and is counted again only if the action differs."""
    roads.tell(
        told(Source.CHANGE_STREAM, Action.RELEASED),
        told(Source.CHANGE_STREAM, Action.QUEUED, None),
        told(Source.CHANGE_STREAM, Action.DEFERRED, attempt=1),
    )
    roads.reconcile()
    assert len(roads.rows()) == 3
    late = [
        told(Source.PLUGIN, Action.DELIVERED),
        told(Source.PLUGIN, Action.QUEUED, None),
        told(Source.PLUGIN, Action.DEFERRED, attempt=1),
    ]
    roads.tell(*late)
    roads.tell(*late)  # a retry
    assert {row[3] for row in roads.rows()} == {"plugin"}
    assert len(roads.rows()) == 3
    assert roads.held() == []
    assert roads.sum("mail_corrections", "from") == {"released": 1}
    assert roads.sum("mail_corrections", "to") == {"delivered": 1}
    roads.agree()


def test_a_row_with_the_same_stamp_is_taken_over_too(roads: AllSources) -> None:
    """A row with the same time as the plugin's is taken over too."""
    stamp = MS - 2 * HOUR
    roads.tell(told(Source.CHANGE_STREAM, Action.QUEUED, None, time=stamp, zone=None))
    roads.reconcile()
    roads.tell(told(Source.PLUGIN, Action.QUEUED, None, time=stamp, sender="a@b.example"))
    assert roads.rows() == [("q1", "", "queued", "plugin")]
    roads.agree()


def test_an_end_of_the_message_is_every_recipients(roads: AllSources) -> None:
    """The end of a whole message fills the slots of all its recipients."""
    roads.tell(told(Source.PLUGIN, Action.REFUSED, None))
    roads.tell(told(Source.GELF, Action.DROPPED, "001"), told(Source.GELF, Action.QUEUED, None))
    roads.tell(*[told(Source.CHANGE_STREAM, Action.RELEASED, seq, queue_id="q2") for seq in ("001", "002")])
    roads.reconcile()
    assert len(roads.rows()) == 3
    roads.tell(told(Source.PLUGIN, Action.DROPPED, None, queue_id="q2"))
    assert roads.rows() == [("q1", "", "refused", "plugin"), ("q2", "", "dropped", "plugin")]
    roads.agree()


def test_of_backup_roads_the_better_counts(roads: AllSources) -> None:
    """Of backup sources GELF is better than the webhook, and that better than the change stream, in any order."""
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED), told(Source.BOUNCE, Action.BOUNCED))
    roads.reconcile()
    assert roads.rows() == [("q1", "001", "bounced", "bounce")]
    roads.tell(told(Source.GELF, Action.BOUNCED))
    roads.reconcile()
    assert roads.rows() == [("q1", "001", "bounced", "gelf")]
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED, received_at=MS - 2 * HOUR + 1))
    roads.reconcile()
    assert roads.rows() == [("q1", "001", "bounced", "gelf")]
    assert roads.sum("mail_corrections", "from") == {}
    roads.agree()


def test_clusters_with_the_same_queue_ids_stay_apart(roads: AllSources) -> None:
    """The same queue id in another cluster is another slot."""
    roads.tell(told(Source.PLUGIN, Action.DELIVERED, cluster="us1"))
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED))
    roads.reconcile()
    assert roads.rows() == [("q1", "001", "delivered", "plugin"), ("q1", "001", "released", "change_stream")]
    assert roads.sum("mail_events", "mail_cluster") == {"eu1": 1, "us1": 1}


@pytest.mark.parametrize(
    ("age", "cluster", "journal", "unsent", "is_due"),
    [
        (59, "eu1", None, None, False),
        (61, "eu1", None, None, True),
        (2, "quick", None, None, True),
        (120, "eu1", -120, None, False),  # the journal holds what came with it
        (120, "eu1", -61, None, False),  # and what came within its grace
        (120, "eu1", -59, None, True),
        (120, "eu1", None, -121, False),  # the plugin has something older to send
        (120, "eu1", None, -110, True),
        (3601, "eu1", -4000, -4000, True),  # after an hour in any case
    ],
)
def test_it_waits_until_nothing_better_can_be_on_its_way(
    roads: AllSources, age: int, cluster: str, journal: int | None, unsent: int | None, *, is_due: bool
) -> None:
    """A held event waits while a better one may still come. Ages and times are in seconds from now."""
    came = MS - age * SECOND
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED, cluster=cluster, time=came, received_at=came))
    roads.journal_age = None if journal is None else -journal
    if unsent is not None:
        roads.report(MS + unsent * SECOND, MS - 30 * SECOND, cluster)
    roads.reconcile()
    assert len(roads.rows()) == is_due


def test_a_plugin_that_has_fallen_silent_holds_nothing_up(roads: AllSources) -> None:
    """A heartbeat older than two minutes delays no held event."""
    came = MS - 130 * SECOND
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED, time=came, received_at=came))
    roads.report(MS - 200 * SECOND, MS - 121 * SECOND)
    roads.reconcile()
    assert len(roads.rows()) == 1


def test_why_it_had_to_be_recovered_is_told(roads: AllSources) -> None:
    """The cause of a recovery is counted: the plugin lost the event, ZoneMTA has no hook for it, or
    there is no plugin.
    """
    roads.report(None, MS)
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED))
    roads.tell(told(Source.CHANGE_STREAM, Action.QUEUED, None), is_unsendable=True)
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED, cluster="us1"))
    roads.reconcile()
    assert roads.sum("backup_recovered", "reason") == {"missed": 1, "never_sent": 1, "no_plugin": 1}


def test_a_row_that_the_table_refuses_is_set_aside_alone(roads: AllSources) -> None:
    """A recovered row that the table refuses becomes a dead letter, and the others of its slice are stored."""
    roads.tell(*[told(Source.CHANGE_STREAM, Action.RELEASED, f"{n:03}") for n in range(20)])
    roads.house.connection.execute(
        "UPDATE held_events SET event = jsonb_set(event, '{smtp_code}', '99999') WHERE seq = '007'"
    )
    roads.reconcile()
    assert len(roads.rows()) == 19
    letters = roads.house.connection.execute("SELECT cluster, source, reason FROM dead_letters").fetchall()
    assert letters == [("eu1", "change_stream", "bad_row")]
    assert len(roads.held()) == 19


def everything(seed: int) -> list[MailEvent]:
    """Return events of all sources about some messages, some doubled, some missing."""
    dice = random.Random(seed)
    found: list[MailEvent] = []
    for message in range(6):
        queue_id = f"m{message}"
        ends = {seq: dice.choice([Action.DELIVERED, Action.BOUNCED, Action.DELETED]) for seq in ("001", "002")}
        for source in RANKS:
            stamp: dict[str, Any] = {"queue_id": queue_id, "time": MS - 2 * HOUR + dice.randrange(3)}
            mine = [told(source, Action.QUEUED, None, **stamp)]
            for seq, end in ends.items():
                mine += [told(source, Action.DEFERRED, seq, attempt=n, **stamp) for n in (1, 2)]
                mine.append(told(source, Action.RELEASED if source is Source.CHANGE_STREAM else end, seq, **stamp))
            found += [event for event in mine for _ in range(dice.choice([0, 1, 1, 2]))]
    dice.shuffle(found)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_order_each_slot_holds_the_best_roads_word_once(roads: AllSources, seed: int) -> None:
    """In any order of events and reconciliations, each slot ends with the best source's event once."""
    dice, events = random.Random(seed), everything(seed)
    best: dict[tuple[str, ...], MailEvent] = {}
    for event in events:
        slot = slots_of(event)[0]
        if slot not in best or RANKS[event.source] > RANKS[best[slot].source]:
            best[slot] = event
    while events:
        some, events = events[: (cut := dice.randrange(1, 12))], events[cut:]
        roads.tell(*{(e.event_id, e.time, e.source): e for e in some}.values())
        if dice.random() < 0.4:
            roads.reconcile()
    roads.reconcile()
    assert Counter(roads.rows()) == Counter(
        (e.queue_id, e.seq or "", e.action.value, e.source.value) for e in best.values()
    )
    assert all(is_stored for *_, is_stored in roads.held())
    roads.agree()


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
def test_writers_and_reconciliation_at_once_double_nothing(roads: AllSources, any_dsn: str, isolation: str) -> None:
    """Writers and reconciliation at the same time give one row for each slot, at any default isolation level."""
    database = sql.Identifier(roads.house.connection.info.dbname)
    roads.house.connection.execute(
        sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = {}").format(database, isolation)
    )
    messages = [f"c{n}" for n in range(300)]
    roads.tell(*[told(Source.CHANGE_STREAM, Action.RELEASED, queue_id=one) for one in messages])
    is_over = threading.Event()

    def go_on() -> None:
        with connect(any_dsn) as connection:
            connection.autocommit = True
            while not is_over.is_set():
                roads.job.run(connection, NOW, is_over.is_set)
                time.sleep(0.001)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        for one in messages:
            roads.tell(told(Source.PLUGIN, Action.DELIVERED, queue_id=one))
    finally:
        is_over.set()
        thread.join()
    roads.reconcile()
    assert roads.rows() == sorted((one, "001", "delivered", "plugin") for one in messages)
    roads.agree()


def test_the_slot_of_the_whole_message_has_no_recipient() -> None:
    """The slots' names are those of the contract, so that existing tables keep their meaning."""
    assert slots_of(told(Source.PLUGIN, Action.DELETED, None))[0] == ("eu1", "q1", WHOLE, END)
