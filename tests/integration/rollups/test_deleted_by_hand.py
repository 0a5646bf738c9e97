"""Rows that an operator deletes stay counted in the roll-ups; rows that the collector corrects do not."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest
from psycopg import conninfo

from collector.config.model import RetentionSettings as Kept
from collector.events.model.batch import Batch
from collector.jobs import RetentionJob, RollUp
from collector.store.database.tiers import layout_of
from tests.integration.house import House
from tests.oracle.made_up import DAY, HOUR, MINUTE, NOW, NOW_MS, some
from tests.oracle.outcomes import assert_outcomes
from tests.oracle.rollups import RELATIONS, assert_equal, read_events, read_rollup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.events.model.event import MailEvent

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("our_jobs")]

UPGRADE = Path(__file__).parents[3] / "docs" / "upgrade.md"

ERASED = (
    "mail_stats_15s_erased", "mail_stats_5m_erased", "domain_stats_5m_erased", "attempt_stats_5m_erased",
    "recipient_stats_1h_erased", "pattern_stats_1h_erased",
)  # fmt: skip


class Ledger:
    """A house, and a list of every event that was written into it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.came: list[dict[str, Any]] = []

    def write(self, events: list[MailEvent]) -> None:
        """Write events as the writer does."""
        self.house.store.write(Batch(events))
        self.came += [msgspec.structs.asdict(one) for one in events]

    def sql(self, statement: str, *values: object) -> int:
        """Execute an operator's statement. Return the number of changed rows."""
        with psycopg.connect(self.house.connection.info.dsn, autocommit=True) as operator:
            return operator.execute(statement.encode(), values).rowcount

    def agree(self) -> None:
        """Run the job, and assert that each roll-up is the sum of all written events."""
        self.house.roll_up()
        assert_equal(self.house.connection, self.came)
        assert_outcomes(self.house.connection, self.came)


@pytest.fixture
def ledger(house: House) -> Ledger:
    """Return a ledger on a new database."""
    return Ledger(house)


@pytest.fixture
def chunked(timescale_dsn: str) -> Iterator[Ledger]:
    """Return a ledger on a new database with chunks, whose roll-ups the collector's job builds."""
    house = House(timescale_dsn)
    if house.builds_itself:
        house.close()
        pytest.skip("TimescaleDB Community builds for itself (test_community.py)")
    yield Ledger(house)
    house.close()


def stamp(ms: int) -> datetime:
    """Return a time of the made-up events."""
    return NOW + timedelta(milliseconds=ms - NOW_MS)


@pytest.mark.parametrize(
    "statement", ["DELETE FROM mail_events", "DELETE FROM mail_events WHERE action <> 'queued'", "TRUNCATE mail_events"]
)
def test_one_late_event_does_not_replace_what_was_deleted(ledger: Ledger, statement: str) -> None:
    """After a deletion of a thousand events and two late ones, a thousand and two are counted."""
    ledger.write(some(1000, NOW_MS - 2 * HOUR, NOW_MS, seed=1))
    ledger.agree()
    ledger.sql(statement)
    ledger.write(some(2, NOW_MS - HOUR, NOW_MS, seed=2))
    ledger.agree()
    assert len(read_events(ledger.house.connection)) < 1000


def test_what_was_deleted_before_it_was_built_is_counted(ledger: Ledger) -> None:
    """Rows that are deleted after the writer marked their bucket, before the job builds it, are counted."""
    ledger.write(some(300, NOW_MS - 10 * MINUTE, NOW_MS, seed=3))
    ledger.sql("DELETE FROM mail_events WHERE cluster = 'eu1'")
    ledger.agree()


def test_a_deletion_that_is_not_yet_committed_is_not_counted_twice(ledger: Ledger) -> None:
    """A bucket built during an uncommitted deletion counts each row once."""
    ledger.write(some(300, NOW_MS - 10 * MINUTE, NOW_MS, seed=4))
    with psycopg.connect(ledger.house.connection.info.dsn) as operator:
        operator.execute("DELETE FROM mail_events")
        ledger.agree()
        operator.commit()
    ledger.write(some(30, NOW_MS - 10 * MINUTE, NOW_MS, seed=5))
    ledger.agree()


def test_a_role_that_may_only_delete_needs_no_further_right(ledger: Ledger) -> None:
    """A role that may only delete needs no further right: the trigger runs with the owner's rights."""
    ledger.write(some(100, NOW_MS - HOUR, NOW_MS, seed=6))
    ledger.sql("CREATE ROLE sweeper_of_mail")
    try:
        ledger.sql("GRANT SELECT, DELETE ON mail_events TO sweeper_of_mail")
        ledger.sql("SET ROLE sweeper_of_mail; DELETE FROM mail_events")
    finally:
        ledger.sql("DROP OWNED BY sweeper_of_mail; DROP ROLE sweeper_of_mail")
    assert read_events(ledger.house.connection) == []
    ledger.write(some(5, NOW_MS - HOUR, NOW_MS, seed=7))
    ledger.agree()


@pytest.mark.parametrize("statement", ["DELETE FROM mail_events", "TRUNCATE mail_events"])
def test_a_schema_that_was_renamed_refuses_no_deletion(any_dsn: str, statement: str) -> None:
    """In a renamed schema a deletion works and stays counted, because the triggers find their tables."""
    with psycopg.connect(any_dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA before")
        before = House(conninfo.make_conninfo(any_dsn, options="-csearch_path=before"))
        before.store.write(Batch(some(100, NOW_MS - HOUR, NOW_MS, seed=13)))
        before.roll_up()
        before.close()
        connection.execute("ALTER SCHEMA before RENAME TO later")
    ledger = Ledger(House(conninfo.make_conninfo(any_dsn, options="-csearch_path=later")))
    ledger.came = read_events(ledger.house.connection)
    ledger.sql(statement)
    ledger.write(some(5, NOW_MS - HOUR, NOW_MS, seed=14))
    ledger.agree()
    ledger.house.close()


def rows(ledger: Ledger, relation: str) -> int:
    """How many rows the relation has."""
    found = ledger.house.connection.execute(f"SELECT count(*) FROM {relation}".encode()).fetchone()
    assert found is not None
    return int(found[0])


def test_retention_lets_go_as_before(ledger: Ledger) -> None:
    """Rows deleted by retention are not counted twice, and counts of deleted rows end with their roll-up."""
    ledger.write(some(500, NOW_MS - 9 * DAY, NOW_MS, seed=8))
    ledger.house.roll_up()
    ledger.sql("DELETE FROM mail_events WHERE time < %s", stamp(NOW_MS - 8 * DAY))
    short = Kept(raw=timedelta(days=4), stats_15s=timedelta(days=1), stats_5m=timedelta(days=6))
    RetentionJob(short).run(ledger.house.connection, NOW, lambda: False)
    assert {relation for relation in ERASED if rows(ledger, relation)} == {one for one in ERASED if "_1h_" in one}
    ledger.house.roll_up()
    assert sum(sums["events"] for sums in read_rollup(ledger.house.connection, "mail_stats_1h").values()) == 500
    shorter = short.model_copy(update={"stats_1h": timedelta(days=6)})
    RetentionJob(shorter).run(ledger.house.connection, NOW, lambda: False)
    assert {relation: rows(ledger, relation) for relation in ERASED} == dict.fromkeys(ERASED, 0)


def test_an_earlier_version_corrects_beside_this_one(ledger: Ledger) -> None:
    """A take-over by an earlier version during an upgrade is recognised as a correction by its lock."""
    ledger.write(some(100, NOW_MS - HOUR, NOW_MS, seed=9))
    ledger.agree()
    with psycopg.connect(ledger.house.connection.info.dsn) as earlier:
        earlier.execute("SELECT pg_advisory_xact_lock_shared(%s)", (0x68656C64,))
        earlier.execute("INSERT INTO touched_buckets SELECT DISTINCT time FROM mail_events WHERE cluster = 'us1'")
        earlier.execute("DELETE FROM mail_events WHERE cluster = 'us1'")
    ledger.came = [one for one in ledger.came if one["cluster"] != "us1"]
    ledger.agree()


def test_what_an_earlier_version_forgot_is_counted_again(ledger: Ledger) -> None:
    """Buckets that an earlier version built without deleted rows are repaired by the statement of
    docs/upgrade.md.
    """
    ledger.write(some(1000, NOW_MS - 2 * HOUR, NOW_MS, seed=7))
    ledger.agree()
    ledger.sql("DELETE FROM mail_events WHERE action <> 'queued'")
    for table in ERASED:  # as an earlier version, which does not know these tables
        ledger.sql(f"ALTER TABLE {table} RENAME TO {table}_unknown")
        ledger.sql(f"CREATE TABLE {table} (LIKE {table}_unknown)")
    ledger.sql("INSERT INTO touched_buckets SELECT DISTINCT bucket FROM mail_stats_15s")
    ledger.house.roll_up()
    with pytest.raises(AssertionError):
        ledger.agree()
    for table in ERASED:
        ledger.sql(f"DROP TABLE {table}")
        ledger.sql(f"ALTER TABLE {table}_unknown RENAME TO {table}")
    (statement,) = re.findall(r"^INSERT INTO touched_buckets .*_erased;$", UPGRADE.read_text(), re.MULTILINE)
    ledger.sql(statement)
    ledger.agree()


def test_chunks_that_are_dropped_stay_counted(chunked: Ledger) -> None:
    """Chunks dropped during or between runs of the job stay counted, also if late events recreate them twice."""
    chunked.write(some(1000, NOW_MS - 2 * DAY, NOW_MS, seed=10))
    chunked.agree()
    for seed in (11, 12):
        assert chunked.sql("SELECT drop_chunks('mail_events', %s)", stamp(NOW_MS - DAY // 2)) > 0
        chunked.write(some(2, NOW_MS - 2 * DAY, NOW_MS - DAY, seed=seed))
        chunked.agree()
        chunked.write(some(20, NOW_MS - 2 * DAY, NOW_MS - DAY, seed=seed + 10))
        chunked.agree()


def test_chunks_that_were_dropped_before_this_version_stay_counted(chunked: Ledger) -> None:
    """Days whose chunks were dropped before this version stay counted."""
    chunked.write(some(500, NOW_MS - 2 * DAY, NOW_MS, seed=13))
    chunked.agree()
    chunked.sql("SELECT drop_chunks('mail_events', %s)", stamp(NOW_MS - DAY // 2))
    chunked.sql("DELETE FROM known_chunks")
    chunked.agree()
    chunked.write(some(5, NOW_MS - 2 * DAY, NOW_MS - DAY, seed=14))
    chunked.agree()


def test_a_chunk_that_is_dropped_amid_a_run_is_left_to_the_next(
    chunked: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk dropped during a run is left to the next run, and no bucket is built from the rest of its rows."""
    chunked.write(some(500, NOW_MS - 2 * DAY, NOW_MS, seed=15))
    chunked.agree()
    chunked.write(some(5, NOW_MS - 2 * DAY, NOW_MS - DAY, seed=16))
    chunked.house.roll_up()
    job, late = RollUp(Kept()), some(5, NOW_MS - 2 * DAY, NOW_MS - DAY, seed=17)
    run = job._tables.run

    def dropped_first(*arguments: Any, **options: Any) -> int:
        chunked.sql("SELECT drop_chunks('mail_events', %s)", stamp(NOW_MS - DAY // 2))
        chunked.write(late)
        return run(*arguments, **options)

    monkeypatch.setattr(job._tables, "run", dropped_first)
    job.run(chunked.house.connection, NOW, lambda: False)
    chunked.agree()


@pytest.mark.parametrize("seed", range(3))
def test_roll_ups_count_every_event_that_ever_came(ledger: Ledger, seed: int) -> None:
    """Roll-ups count every event, for writes, deletions, truncations, drops and builds in any order."""
    chance = random.Random(seed)
    has_chunks = layout_of(ledger.house.connection).has_chunks
    for step in range(25):
        match chance.choice(["write", "write", "late", "delete", "truncate", "drop", "build", "build"]):
            case "write":
                ledger.write(some(chance.randrange(1, 80), NOW_MS - 3 * HOUR, NOW_MS, seed=seed * 1000 + step))
            case "late":
                ledger.write(some(chance.randrange(1, 9), NOW_MS - 2 * DAY, NOW_MS, seed=seed * 1000 + step))
            case "delete":
                at = NOW_MS - chance.randrange(2 * DAY if chance.random() < 0.3 else 3 * HOUR)
                ledger.sql(f"DELETE FROM mail_events WHERE time {chance.choice('<>')} %s", stamp(at))
            case "truncate":
                ledger.house.roll_up()  # TRUNCATE names no row, so only rows that are built already stay counted
                if chance.random() < 0.3:
                    ledger.sql("TRUNCATE mail_events")
            case "drop" if has_chunks:
                ledger.house.roll_up()
                ledger.sql("SELECT drop_chunks('mail_events', %s)", stamp(NOW_MS - chance.randrange(2 * DAY)))
            case _:
                ledger.agree()
    ledger.agree()
    assert {relation: read_rollup(ledger.house.connection, relation) for relation in RELATIONS}
