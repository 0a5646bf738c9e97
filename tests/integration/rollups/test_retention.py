"""Retention deletes old rows only, and no row from which a roll-up has yet to be built."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from collector.config.model import RetentionSettings as Kept
from collector.events.model.batch import Batch
from collector.events.model.event import Source
from collector.events.model.side_tables import AuditEvent, AuthEvent, DnsblResult
from collector.jobs import RetentionJob, RollUp
from tests.integration.house import House
from tests.oracle.made_up import DAY, NOW, NOW_MS, some
from tests.oracle.rollups import RELATIONS, assert_equal, expected, read_events, read_rollup

pytestmark = pytest.mark.servers

KEPT = Kept(raw=timedelta(days=10))


def let_go(house: House, kept: Kept = KEPT) -> None:
    """Run the retention job once."""
    RetentionJob(kept).run(house.connection, NOW, lambda: False)


def dnsbl_result(time: int) -> DnsblResult:
    """Return a listing with that time."""
    return DnsblResult("eu1", time, time, "192.0.2.5:bl.example:listed", "192.0.2.5", "address", "bl.example", "listed")


def count(house: House, relation: str) -> int:
    """Return the number of rows of a relation."""
    row = house.connection.execute(f"SELECT count(*) FROM {relation}".encode()).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.usefixtures("our_jobs")
def test_whole_days_of_old_events_go_and_the_roll_ups_stay(house: House) -> None:
    """Raw events are deleted by whole days (UTC), and the 5m and 1h roll-ups keep their sums."""
    house.store.write(Batch(some(2000, NOW_MS - 20 * DAY, NOW_MS, seed=1)))
    house.roll_up()
    everything = read_events(house.connection)
    let_go(house)
    limit = NOW_MS // DAY * DAY - 10 * DAY
    assert read_events(house.connection) == [event for event in everything if event["time"] >= limit]
    assert_equal(house.connection, everything, but=("mail_stats_15s",))


@pytest.mark.usefixtures("our_jobs")
def test_each_roll_up_goes_at_its_own_time(house: House) -> None:
    """Each roll-up has its own retention: days for 15 s, months for 5 min, longer for 1 h."""
    house.store.write(Batch(some(300, NOW_MS - 9 * DAY, NOW_MS, seed=2)))
    house.roll_up()
    everything = read_events(house.connection)
    let_go(house, Kept(raw=timedelta(days=3), stats_15s=timedelta(days=1), stats_5m=timedelta(days=5)))
    for relation, days in {"mail_stats_15s": 1, "mail_stats_5m": 5, "domain_stats_5m": 5, "mail_stats_1h": 999}.items():
        limit = NOW_MS // DAY * DAY - days * DAY
        wanted = {key: sums for key, sums in expected(everything, relation).items() if key[0] >= limit}
        assert read_rollup(house.connection, relation) == wanted, relation
    house.roll_up()
    assert read_rollup(house.connection, "domain_stats_1h") == expected(everything, "domain_stats_1h")


@pytest.mark.usefixtures("our_jobs")
def test_events_that_no_roll_up_holds_yet_stay(house: House) -> None:
    """Retention keeps events that no roll-up holds yet, also if the roll-up job did not run for long."""
    house.store.write(Batch(some(300, NOW_MS - 20 * DAY, NOW_MS - 15 * DAY, seed=3)))
    RollUp(KEPT)._tables.run(house.connection, dict.fromkeys(("15s", "5m", "1h"), NOW), lambda: True)
    house.connection.execute("INSERT INTO stale_buckets VALUES ('5m', to_timestamp(%s))", ((NOW_MS - 18 * DAY) / 1000,))
    before = count(house, "mail_events")
    let_go(house)
    left = [event["time"] for event in read_events(house.connection)]
    assert len(left) < before
    assert min(left) >= (NOW_MS - 18 * DAY) // DAY * DAY
    assert any(time < NOW_MS - 17 * DAY for time in left)


@pytest.mark.usefixtures("our_jobs")
def test_history_is_not_built_anew_from_nothing(house: House) -> None:
    """A late event of a time whose events are deleted does not make its roll-up lose their counts."""
    house.store.write(Batch(some(500, NOW_MS - 14 * DAY, NOW_MS, seed=4)))
    house.roll_up()
    let_go(house)
    before = {relation: read_rollup(house.connection, relation) for relation in RELATIONS}
    house.store.write(Batch(some(20, NOW_MS - 13 * DAY, NOW_MS - 12 * DAY, seed=5)))
    house.roll_up()
    assert {relation: read_rollup(house.connection, relation) for relation in RELATIONS} == before


def test_what_lists_said_goes_at_its_own_time(house: House) -> None:
    """DNSBL results have their own retention of a year, on every tier."""
    results = [dnsbl_result(NOW_MS - days * DAY) for days in (1, 20, 364, 367, 1000)]
    house.store.write(Batch(records=results))
    let_go(house)
    kept = house.connection.execute(
        "SELECT (extract(epoch FROM time) * 1000)::bigint FROM dnsbl_results ORDER BY 1 DESC"
    )
    assert kept.fetchall() == [(result.time,) for result in results[:3]]


def test_logins_and_webhooks_go_at_their_own_times(house: House) -> None:
    """Logins are kept for thirty days, account events for a year."""
    days = (1, 29, 32, 364, 367)
    stamps = [NOW_MS - day * DAY for day in days]
    logins = [AuthEvent("eu1", at, at, f"wd:auth:d{at}:1", Source.CHANGE_STREAM, "imap", "failed") for at in stamps]
    webhooks = [AuditEvent("eu1", at, at, f"wd:user.created:{at}", "user.created") for at in stamps]
    house.store.write(Batch(records=[*logins, *webhooks]))
    let_go(house)
    assert (count(house, "auth_events"), count(house, "audit_events")) == (2, 4)


def test_on_timescaledb_chunks_go(timescale_dsn: str) -> None:
    """On TimescaleDB retention drops whole chunks; a chunk that a query reads stays until the next run."""
    house = House(timescale_dsn)
    if house.builds_itself:
        house.close()
        pytest.skip("TimescaleDB Community has policies for that (test_community.py)")
    house.store.write(Batch(some(200, NOW_MS - 20 * DAY, NOW_MS, seed=6)))
    house.roll_up()
    with psycopg.connect(timescale_dsn) as reader:
        reader.execute("SELECT count(*) FROM mail_events")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            let_go(house)
    let_go(house)
    assert house.connection.execute("SELECT count(*) FROM show_chunks('mail_events')").fetchone() == (11,)
    house.close()
