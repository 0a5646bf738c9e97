"""The roll-ups equal the events in each bucket, in any order of arrival."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import psycopg
import pytest

from collector.config.model import RetentionSettings
from collector.events.model.batch import Batch
from collector.events.model.event import Action, Direction, MailEvent, Source
from collector.events.model.precedence import slots_of
from collector.events.model.side_tables import HeldEvent
from collector.events.model.tally import tally
from collector.jobs import RollUp
from collector.store.backup import reconciliation
from collector.store.backup.reconciliation import DecisionInput, Reconciler
from collector.store.database.sql import query
from collector.store.migrations import migrate, shipped
from collector.store.rollups.building import TableBuilder
from tests.integration.house import House
from tests.oracle import rollups as oracle
from tests.oracle.made_up import DAY, HOUR, MINUTE, NOW, NOW_MS, event, some
from tests.oracle.outcomes import assert_outcomes
from tests.oracle.rollups import expected, read_events, read_rollup

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.servers


def assert_equal(connection: psycopg.Connection, *, but: tuple[str, ...] = ()) -> None:
    """Every roll-up is the sum of the events in the table."""
    oracle.assert_equal(connection, but=but)
    assert_outcomes(connection)


def tallied(events: list[MailEvent]) -> Batch:
    """Return a batch as the assembler makes it, without its COPY text."""
    return Batch(events, tally=tally(events))


def test_roll_ups_are_the_sums_of_the_events(house: House) -> None:
    """Roll-ups equal the events of a day with every kind of row, nulls in every column, and absurd numbers."""
    house.store.write(tallied(some(3000, NOW_MS - DAY, NOW_MS, seed=1)))
    house.roll_up()
    assert_equal(house.connection)


def test_what_comes_later_is_added(house: House) -> None:
    """After new, late and repeated rows, the next run makes roll-ups and events equal again."""
    first = some(500, NOW_MS - HOUR, NOW_MS, seed=2)
    house.store.write(tallied(first))
    house.roll_up()
    house.store.write(tallied(first[:100] + some(300, NOW_MS - 20 * MINUTE, NOW_MS, seed=3)))
    house.roll_up()
    house.store.write(Batch(some(100, NOW_MS - 2 * DAY, NOW_MS, seed=4)))
    house.roll_up()
    assert_equal(house.connection)


def test_a_claimed_size_beyond_all_numbers_holds_nothing_up(house: House) -> None:
    """Two messages with a claimed size of 8 EiB give the largest number as sum, and the job goes on."""
    rows = [
        MailEvent(NOW_MS, "eu1", None, f"q{n}:queued", Action.QUEUED, Source.PLUGIN, Direction.OUTBOUND,
            size_bytes=2**63 - 1)
        for n in range(2)
    ]  # fmt: skip
    house.store.write(Batch(rows))
    house.roll_up()
    for relation in ("mail_stats_15s", "mail_stats_5m", "mail_stats_1h"):
        ((_, sums),) = read_rollup(house.connection, relation).items()
        assert sums["bytes"] == 2**63 - 1


def test_events_that_are_not_yet_committed_are_not_forgotten(house: House, any_dsn: str) -> None:
    """A run during an uncommitted transaction leaves its buckets marked for the next run."""
    house.store.write(Batch(some(10, NOW_MS - MINUTE, NOW_MS, seed=6)))
    with psycopg.connect(any_dsn) as other:
        other.execute("INSERT INTO touched_buckets VALUES (to_timestamp(%s))", (NOW_MS // 15_000 * 15,))
        other.execute(
            "INSERT INTO mail_events (time, cluster, event_id, action, source, direction, received_at)"
            " VALUES (to_timestamp(%s), 'eu1', 'slow:queued', 'queued', 'plugin', 'outbound', now())",
            (NOW_MS / 1000,),
        )
        house.roll_up()
        other.commit()
    house.roll_up()
    assert_equal(house.connection)


@pytest.mark.usefixtures("our_jobs")
def test_an_open_bucket_of_five_minutes_is_built_once_a_minute(house: House) -> None:
    """An open bucket of five minutes, which may hold a million events, is built once a minute only."""
    job = RollUp(RetentionSettings())
    job._tables = TableBuilder(clock=lambda: 0.0)  # no time limit, and no minute that is over on a busy machine
    for seed in (7, 8):
        house.store.write(Batch(some(10, NOW_MS - 1000, NOW_MS, seed=seed)))
        job.run(house.connection, NOW, lambda: False)
    assert sum(sums["events"] for sums in read_rollup(house.connection, "mail_stats_15s").values()) == 20
    assert sum(sums["events"] for sums in read_rollup(house.connection, "mail_stats_5m").values()) == 10
    assert house.connection.execute("SELECT count(*) FROM stale_buckets WHERE width = '5m'").fetchone() == (1,)


def test_what_was_there_before_the_roll_ups_is_built(any_dsn: str) -> None:
    """Events from before the roll-ups are built after the migration, in several runs if needed."""
    with psycopg.connect(any_dsn) as connection:
        connection.execute(shipped()[0].sql)
        connection.execute(
            "CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL, "
            "applied_at timestamptz NOT NULL DEFAULT now())"
        )
        connection.execute("INSERT INTO schema_migrations VALUES (1, '0001_mail_events')")
        chance = random.Random(9)
        columns = "time, cluster, event_id, action, source, direction, received_at, size_bytes, zone"
        for _ in range(300):
            one = event(NOW_MS - chance.randrange(20 * DAY), chance)
            connection.execute(
                f"INSERT INTO mail_events ({columns}) "
                f"VALUES (to_timestamp(%s), %s, %s, %s, 'plugin', 'outbound', now(), %s, %s)".encode(),
                (one.time / 1000, one.cluster, one.event_id, one.action, one.size_bytes, one.zone),
            )
        connection.commit()
        assert migrate(connection)[0].version == 2
    house = House(any_dsn)
    if house.builds_itself:
        house.close()
        pytest.skip("TimescaleDB Community refreshes for itself (test_community.py)")
    house.roll_up()
    assert_equal(house.connection, but=("mail_stats_15s",))  # the finest is kept for three days
    house.close()


ROUNDING = """
INSERT INTO touched_buckets
SELECT to_timestamp((extract(epoch FROM stored_time) / 15)::bigint * 15) FROM unnest(%s::timestamptz[]) AS stored_time
"""
ROUNDED = ROUNDING.replace("unnest(%s::timestamptz[]) AS stored_time", "held_events WHERE stored_time IS NOT NULL")
"""The statement by which reconciliation marked buckets before migration 0013."""


def store_held(house: House, stamps: Iterable[int]) -> None:
    """Store a bounce of a backup source for each of these times, as a version before migration 0013."""
    reconcile_bounces(house, stamps)
    house.connection.execute("DELETE FROM touched_buckets")
    house.connection.execute(ROUNDED)


def reconcile_bounces(house: House, stamps: Iterable[int]) -> None:
    """Store a bounce of a backup source for each of these times."""
    events = [
        MailEvent(
            at, "eu1", None, f"b{at}.001:bounced", Action.BOUNCED, Source.BOUNCE, Direction.OUTBOUND, queue_id=f"b{at}",
            seq="001", recipients=1, sender_domain="shop.example", received_at=at,
        )
        for at in stamps
    ]  # fmt: skip
    house.store.write(Batch(records=[HeldEvent.of(one, slots_of(one)[0], is_unsendable=False) for one in events]))
    assert Reconciler().reconcile(house.connection, DecisionInput(NOW, {}, None)).due == len(events)


def migrate_again(house: House) -> None:
    """Make the database one of a version before 0013, and start this version."""
    house.connection.execute("DELETE FROM schema_migrations WHERE version = 13")
    with psycopg.connect(house.connection.info.dsn) as connection:
        assert [one.version for one in migrate(connection)] == [13]


@pytest.mark.usefixtures("our_jobs")
def test_a_database_that_was_wrong_is_put_right(house: House) -> None:
    """Bounces just before a bucket's end, which an earlier version missed, are in every roll-up after the migration."""
    house.store.write(tallied(some(500, NOW_MS - 6 * HOUR, NOW_MS - HOUR, seed=21)))
    house.roll_up()
    border = NOW_MS // (5 * MINUTE) * 5 * MINUTE
    chance = random.Random(22)
    stamps = {border - 5 * MINUTE * chance.randrange(13, 70) - chance.randrange(1, 7_000) for _ in range(7)}
    store_held(house, [*stamps, *(NOW_MS - chance.randrange(2 * HOUR, 12 * DAY) for _ in range(100))])
    house.roll_up()
    wanted, found = (
        expected(read_events(house.connection), "mail_stats_5m"),
        read_rollup(house.connection, "mail_stats_5m"),
    )
    assert sum(sums["events"] for sums in found.values()) < sum(sums["events"] for sums in wanted.values())
    migrate_again(house)
    house.roll_up()
    assert_equal(house.connection, but=("mail_stats_15s",))
    finest = read_rollup(house.connection, "mail_stats_15s")
    limit = (NOW_MS - 3 * DAY) // DAY * DAY
    events = [one for one in read_events(house.connection) if one["time"] >= limit]
    assert finest == expected(events, "mail_stats_15s")


@pytest.mark.usefixtures("our_jobs")
def test_a_bucket_that_an_earlier_version_marks_wrong_is_built(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an earlier version marks the wrong bucket, during an upgrade or after a downgrade, the database marks the
    right.
    """
    monkeypatch.setattr(reconciliation, "query", lambda name: ROUNDING if name == "touch" else query(name))
    house.store.write(tallied(some(300, NOW_MS - 6 * HOUR, NOW_MS - HOUR, seed=23)))
    house.roll_up()
    chance = random.Random(24)
    reconcile_bounces(house, {NOW_MS - chance.randrange(2 * HOUR, 6 * HOUR) for _ in range(50)})
    house.roll_up()
    assert_equal(house.connection)


@pytest.mark.usefixtures("our_jobs")
def test_putting_right_builds_nothing_whose_rows_are_gone(house: House) -> None:
    """The repair leaves roll-ups whose rows were deleted, by retention or by hand, as they are."""
    by_retention, by_hand = NOW_MS - 20 * DAY, NOW_MS - 10 * DAY
    for day in (by_retention, by_hand):
        start = day // (5 * MINUTE) * 5 * MINUTE
        house.store.write(tallied(some(50, start, start + 4 * MINUTE, seed=start)))
        house.roll_up()
        store_held(house, [start + 5 * MINUTE - 1_000])
        house.roll_up()
    house.connection.execute(
        "INSERT INTO retention_horizons VALUES ('mail_events', to_timestamp(%s))", ((NOW_MS - 15 * DAY) / 1000,)
    )
    house.connection.execute("DROP TRIGGER IF EXISTS keep_erased ON mail_events")
    house.connection.execute("DELETE FROM mail_events WHERE source = 'plugin'")
    before = read_rollup(house.connection, "mail_stats_5m")
    assert sum(sums["events"] for sums in before.values()) == 100
    migrate_again(house)
    house.roll_up()
    assert read_rollup(house.connection, "mail_stats_5m") == before
