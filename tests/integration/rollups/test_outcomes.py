"""Roll-ups by attempt, recipient domain and reply: their bounds, and what happens to them on the way."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from collector.config.model import RetentionSettings
from collector.events.model.batch import Batch
from collector.events.model.event import Action, Direction, MailEvent, Source
from collector.events.model.precedence import slots_of
from collector.events.model.side_tables import HeldEvent
from collector.jobs import RetentionJob, RollUp
from collector.store import migrations
from collector.store.backup.reconciliation import DecisionInput, Reconciler
from collector.store.database.sql import query
from collector.store.rollups import comparison
from collector.store.rollups.building import WIDTHS, TableBuilder, take_marks
from collector.store.rollups.outcomes import OUTCOMES as WIDTHS_OF_OUTCOMES
from collector.store.rollups.outcomes import RELATIONS as OUTCOMES
from collector.store.rollups.retention import begins
from tests.integration.house import House
from tests.oracle.made_up import DAY, HOUR, NOW, NOW_MS, some
from tests.oracle.outcomes import assert_outcomes, read_patterns, read_recipients, read_replies
from tests.oracle.rollups import RELATIONS, assert_equal, read_events, read_rollup

if TYPE_CHECKING:
    import psycopg

pytestmark = pytest.mark.servers

BORDER = NOW_MS // HOUR * HOUR

MANY = """
INSERT INTO mail_events (time, cluster, event_id, action, source, direction, recipient_domain, provider, reason,
    response_pattern, received_at)
SELECT to_timestamp(%(start)s / 1000.0) + n * interval '15 milliseconds', 'eu1', 'm' || n, action, 'plugin', 'outbound',
    domain, 'other', CASE WHEN action = 'delivered' THEN NULL ELSE 'unknown' END, pattern, now()
FROM (
    -- Each domain twice: every fourth is deferred once, and delivered.
    SELECT n, 'd' || mod(n, 100000) || '.example' AS domain,
           CASE WHEN n < 100000 AND mod(n, 4) = 0 THEN 'deferred' ELSE 'delivered' END AS action,
           CASE WHEN n < 100000 AND mod(n, 4) = 0 THEN '450 reply ' || n END AS pattern
    FROM generate_series(0, 159999) AS n
    UNION ALL
    SELECT 160000 + n, 'small.example', 'bounced', '550 we refuse everything' FROM generate_series(1, 5) AS n
    UNION ALL
    SELECT 170000 + n, 'large.example', 'delivered', NULL FROM generate_series(1, 30) AS n
    UNION ALL
    SELECT 170100 + n, 'd1.example', 'deferred', '450 another reply ' || n FROM generate_series(1, 26000) AS n
) AS made
"""
"""An hour's mail to over 100,000 domains, with over 50,000 patterns of replies."""


def mark(connection: psycopg.Connection, start_ms: int, minutes: int) -> None:
    """Mark the buckets of so many minutes, as an operator does."""
    statement = "INSERT INTO touched_buckets SELECT to_timestamp(%s) + n * interval '15s' FROM generate_series(0, %s) n"
    connection.execute(statement, (start_ms / 1000, minutes * 4 - 1))


def fill_an_hour(connection: psycopg.Connection, start_ms: int) -> None:
    """Write it, and mark its hour."""
    connection.execute(MANY.encode(), {"start": start_ms})
    mark(connection, start_ms, 60)


def assert_bounded(connection: psycopg.Connection) -> None:
    """5,000 domains and 2,000 patterns are named; a small domain that refuses everything is among them;
    nothing is lost.
    """
    domains = {key[2] for key in read_recipients(connection)}
    assert len(domains - {"other"}) == 5_000
    assert "small.example" in domains
    assert "large.example" not in domains  # no failure, and 5,000 others have one
    patterns = {key[3] for key in read_patterns(connection)}
    assert len(patterns - {"other"}) == 2_000
    assert "550 we refuse everything" in patterns
    assert {key[2] for key in read_replies(connection)} == patterns - {"other"}
    assert_outcomes(connection)


def test_an_hour_stays_within_its_bounds(house: House) -> None:
    """100,000 recipient domains and 50,000 patterns."""
    fill_an_hour(house.connection, BORDER - HOUR)
    RollUp(RetentionSettings()).run(house.connection, NOW, lambda: False)
    house.roll_up()
    assert_bounded(house.connection)


def test_events_at_the_borders_of_hours_are_in_their_own(house: House) -> None:
    """The last and the first millisecond; late ones come in any order, of days before too."""
    stamps = [BORDER + off for off in (-1, 0, 1, -HOUR, -HOUR - 1, -HOUR + 1)]
    made = some(12 * len(stamps), BORDER, BORDER, seed=1)
    events = [msgspec.structs.replace(one, time=stamps[n % len(stamps)]) for n, one in enumerate(made)]
    for part in (events[:30], events[30:], some(200, NOW_MS - 5 * DAY, NOW_MS, seed=2)):
        house.store.write(Batch(part))
        house.roll_up()
        assert_outcomes(house.connection)


def bounced(source: Source, **columns: object) -> MailEvent:
    """A bounce as this source tells it."""
    event = MailEvent(
        BORDER - 1, "eu1", None, "b1.001:bounced", Action.BOUNCED, source, Direction.OUTBOUND, queue_id="b1",
        seq="001", recipients=1, recipient_domain="x.example", response_pattern="550 no", received_at=BORDER,
    )  # fmt: skip
    return msgspec.structs.replace(event, **columns)


def test_a_row_that_is_taken_over_is_counted_once(house: House) -> None:
    """A backup source's word is stored and counted, then the plugin's comes, in another hour,
    with a pattern and an attempt: that one alone is counted, and the pattern of before is not known any more.
    """
    held = HeldEvent.of(one := bounced(Source.BOUNCE), slots_of(one)[0], is_unsendable=False)
    house.store.write(Batch(records=[held]))
    assert Reconciler().reconcile(house.connection, DecisionInput(NOW, {}, None)).due == 1
    house.roll_up()
    assert {key[2] for key in read_replies(house.connection)} == {"550 no"}
    later = {"time": BORDER + 1, "attempt": 2, "response_pattern": "550 5.1.1 no"}
    house.store.write(Batch([bounced(Source.PLUGIN, event_id="b1.001:bounced:p", **later)]))
    house.roll_up()
    assert_outcomes(house.connection)
    assert {key[2] for key in read_replies(house.connection)} == {"550 5.1.1 no"}


def test_marks_that_an_earlier_version_takes_are_not_lost(house: House) -> None:
    """It runs the jobs beside this version, or after a downgrade, and knows nothing of these roll-ups."""
    house.store.write(Batch(some(300, NOW_MS - 5 * HOUR, NOW_MS, seed=3)))
    if house.builds_itself:
        house.connection.execute(query("take_erased"), (None,))
    else:
        take_marks(house.connection)
        TableBuilder(WIDTHS).run(
            house.connection, {one.name: begins(NOW, RetentionSettings().raw) for one in WIDTHS}, lambda: False
        )
    assert house.connection.execute("SELECT count(*) FROM touched_buckets").fetchone() == (0,)
    house.roll_up()
    assert_outcomes(house.connection)


def test_an_hour_is_built_once_in_five_minutes(house: House) -> None:
    """It may hold millions of events."""
    job = RollUp(RetentionSettings())
    job._outcomes = TableBuilder(WIDTHS_OF_OUTCOMES, clock=lambda: 0.0)  # no time limit, no pause that ends
    for seed in (4, 5):
        house.store.write(Batch(some(40, NOW_MS - 1000, NOW_MS, seed=seed)))
        job.run(house.connection, NOW, lambda: False)
    assert house.connection.execute("SELECT count(*) FROM stale_buckets WHERE width = 'outcomes_1h'").fetchone() == (1,)
    house.roll_up()
    assert_outcomes(house.connection)


def everything(connection: psycopg.Connection) -> dict[str, object]:
    """What the roll-ups of before hold."""
    return {relation: read_rollup(connection, relation) for relation in RELATIONS}


def test_an_upgrade_leaves_history_alone_whose_events_are_gone(any_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of the version before, whose older events retention has deleted:
    mail_stats_* are as they were, and the outcomes are those of the events that are left.
    """
    shipped = migrations.shipped
    monkeypatch.setattr(migrations, "shipped", lambda: [one for one in shipped() if one.version <= 20])
    monkeypatch.setattr(
        "collector.store.writing.batch_write.require_whole_schema", lambda _: None
    )  # it asks for today's
    before = House(any_dsn)
    if before.builds_itself:
        before.close()
        pytest.skip("test_community_outcomes.py")
    before.store.write(Batch(some(500, NOW_MS - 8 * DAY, NOW_MS, seed=6)))
    take_marks(before.connection)
    begin = {one.name: begins(NOW, RetentionSettings().raw) for one in WIDTHS}
    TableBuilder(WIDTHS, clock=lambda: 0.0).run(before.connection, begin, lambda: False)
    assert_equal(before.connection)
    short = RetentionSettings(raw=timedelta(days=3))
    monkeypatch.setattr("collector.store.rollups.retention.kept_tables", lambda _: ())
    RetentionJob(short).run(before.connection, NOW, lambda: False)
    monkeypatch.undo()
    left, known = len(read_events(before.connection)), everything(before.connection)
    assert 0 < left < 500
    before.close()

    house = House(any_dsn)
    assert everything(house.connection) == known
    house.roll_up()
    assert everything(house.connection) == known
    assert_outcomes(house.connection)
    assert len(read_recipients(house.connection)) > 10
    house.close()


def test_each_goes_at_its_own_time(house: House) -> None:
    """Hours after `stats_1h`, five minutes after `stats_5m`, and patterns that were not seen for `stats_1h`."""
    house.store.write(Batch(some(400, NOW_MS - 20 * DAY, NOW_MS, seed=7)))
    house.roll_up()
    month = timedelta(days=30)
    short = RetentionSettings(raw=month, stats_5m=month, stats_1h=month)
    assert_outcomes(house.connection)
    later = NOW + timedelta(days=20)
    RetentionJob(short).run(house.connection, later, lambda: False)
    for relation, column in [(one, "bucket") for one in sorted(OUTCOMES)] + [("reply_patterns", "last_seen")]:
        oldest = house.connection.execute(f"SELECT min({column}) FROM {relation}".encode()).fetchone()
        assert oldest is not None
        assert oldest[0] >= begins(later, month), relation


@pytest.mark.parametrize("relation", sorted(OUTCOMES))
def test_a_bucket_that_differs_from_its_events_is_found(house: House, relation: str) -> None:
    """By what `doctor` looks at; the statement that it names has the bucket built again."""
    # Of today, and of yesterday, whose day has ended.
    house.store.write(Batch(some(200, NOW_MS - 3 * HOUR, NOW_MS - 2 * HOUR, seed=8)))
    house.store.write(Batch(some(200, NOW_MS - DAY - 3 * HOUR, NOW_MS - DAY - 2 * HOUR, seed=9)))
    house.roll_up()

    def wrong() -> set[str]:
        found = list(comparison.compare_buckets(house.connection, RetentionSettings(), NOW, random.Random(1)))
        assert {one.relation for one in found} >= OUTCOMES
        return {one.relation for one in found if one.is_different}

    assert wrong() == set()
    house.connection.execute(f"UPDATE {relation} SET events = events - 1".encode())
    assert wrong() >= {relation}
    mark(house.connection, BORDER - 4 * HOUR, 240)
    mark(house.connection, BORDER - DAY - 4 * HOUR, 240)
    house.roll_up()
    assert wrong() == set()
