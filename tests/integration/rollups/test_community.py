"""TimescaleDB Community: the same relations as continuous aggregates, compression, and policies from the settings."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from collector.config.model import RetentionSettings
from collector.events.model.event import COLUMNS, Source
from collector.jobs import RetentionJob as KeepWhat
from collector.jobs import RollUp, Sizes
from collector.metrics import Metrics
from collector.store.database.tiers import layout_of, reach_extension
from collector.store.migrations import migrate
from collector.store.rollups.comparison import compare_buckets
from collector.store.schema.layout import lay_out
from collector.store.schema.sizes import sizes
from tests.integration.house import stop_policies
from tests.oracle.made_up import DAY, HOUR, MINUTE, some
from tests.oracle.rollups import RELATIONS, assert_equal, read_events, read_rollup

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

    from collector.events.model.event import MailEvent
    from tests.servers.community import Community

pytestmark = pytest.mark.servers

KEPT = RetentionSettings()
SHORT = RetentionSettings(raw=timedelta(days=3), stats_15s=timedelta(hours=1), stats_5m=timedelta(days=4))
"""Short retention, because a policy's first refresh of a month takes this server a minute."""

COLUMN_LIST = ", ".join(COLUMNS)
VALUES = ", ".join(
    "to_timestamp(%s / 1000.0)" if c in {"time", "next_attempt", "received_at"} else "%s" for c in COLUMNS
)


def now_ms() -> int:
    """Return the present time (epoch ms), by which the server's own jobs run."""
    return int(datetime.now(UTC).timestamp() * 1000)


@pytest.fixture
def connection(community: Community) -> Iterator[psycopg.Connection]:
    """Yield its only connection."""
    with community.connect(autocommit=True) as made:
        yield made


def insert(connection: psycopg.Connection, events: Sequence[MailEvent]) -> int:
    """Write rows by INSERT, because this server has no COPY. Return the number of new ones."""
    new = 0
    with connection.transaction():
        for event in events:
            row = [getattr(event, column) for column in COLUMNS]
            statement = f"INSERT INTO mail_events ({COLUMN_LIST}) VALUES ({VALUES}) ON CONFLICT DO NOTHING"
            new += connection.execute(statement.encode(), row).rowcount
            connection.execute("INSERT INTO touched_buckets VALUES (to_timestamp(%s))", (event.time // 15_000 * 15,))
    return new


def prepare(connection: psycopg.Connection, kept: RetentionSettings = KEPT) -> list[str]:
    """Prepare the database as a start does. Return the changes."""
    with connection.transaction():
        migrate(connection)
    changes = lay_out(connection, kept, datetime.now(UTC))
    stop_policies(connection)
    return changes


def migrate_only(connection: psycopg.Connection) -> None:
    """Make the schema, as on a server without TimescaleDB."""
    connection.autocommit = False
    migrate(connection)
    connection.autocommit = True


def refresh(connection: psycopg.Connection, start_ms: int | None = None, end_ms: int | None = None) -> None:
    """Refresh an aggregate over a window, as a policy does."""
    for relation in RELATIONS:
        connection.execute(
            "CALL refresh_continuous_aggregate(%s::regclass, to_timestamp(%s), to_timestamp(%s))",
            (relation, start_ms and start_ms / 1000, end_ms and end_ms / 1000),
        )


def run_policies(connection: psycopg.Connection, kind: str) -> None:
    """Run the policies, as TimescaleDB's scheduler would: this server has no workers."""
    jobs = connection.execute(
        "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = %s ORDER BY 1", (kind,)
    ).fetchall()
    for (job,) in jobs:
        connection.execute("CALL run_job(%s)", (job,))


def roll_up(connection: psycopg.Connection, kept: RetentionSettings = KEPT) -> None:
    """Run the collector's job once."""
    RollUp(kept).run(connection, datetime.now(UTC), lambda: False)


def roll_up_all(connection: psycopg.Connection) -> None:
    """Run the collector's job until it has no more work: each run has a time limit."""
    deadline = time.monotonic() + 120
    while connection.execute("SELECT EXISTS (SELECT FROM stale_buckets)").fetchone() == (True,):
        assert time.monotonic() < deadline
        roll_up(connection)


def test_a_fresh_database_gets_aggregates_and_policies_once(connection: psycopg.Connection) -> None:
    """The first start makes aggregates and policies, the second changes nothing, a changed setting
    alters its policies.
    """
    connection.execute("CREATE EXTENSION timescaledb")
    migrate_only(connection)
    changes = prepare(connection)
    assert "mail_stats_5m: a continuous aggregate now" in changes
    assert "mail_events: retention policy, drop_after 30d (made)" in changes
    assert "mail_stats_5m: refresh policy, start_offset 29d, end_offset 10m, schedule_interval 1m (made)" in changes
    assert prepare(connection) == []
    assert prepare(connection, RetentionSettings(raw=timedelta(days=20))) == [
        "mail_events: retention policy, drop_after 20d (altered)",
        "mail_stats_5m: refresh policy, start_offset 19d, end_offset 10m, schedule_interval 1m (altered)",
        "domain_stats_5m: refresh policy, start_offset 19d, end_offset 10m, schedule_interval 1m (altered)",
    ]


def test_a_schema_of_its_own_is_enough(connection: psycopg.Connection) -> None:
    """Aggregates, policies, refreshes and sizes work with TimescaleDB's schema outside the role's search path."""
    connection.execute("CREATE EXTENSION timescaledb")
    connection.execute('CREATE SCHEMA "Mail logs"')
    connection.execute('SET search_path = "Mail logs"')
    reach_extension(connection)
    migrate_only(connection)
    assert "mail_events: retention policy, drop_after 3d (made)" in prepare(connection, SHORT)
    assert prepare(connection, SHORT) == []
    now = now_ms()
    insert(connection, some(200, now - 50 * MINUTE, now, seed=11))
    roll_up(connection, SHORT)
    run_policies(connection, "policy_refresh_continuous_aggregate")
    assert_equal(connection)
    assert sizes(connection)["mail_stats_5m"] > 0
    found = connection.execute("SELECT DISTINCT view_schema FROM timescaledb_information.continuous_aggregates")
    assert found.fetchall() == [("Mail logs",)]


def test_a_raised_retention_does_not_reach_past_what_was_dropped(connection: psycopg.Connection) -> None:
    """After a raised retention, the refresh does not reach back to the events that the old policy dropped."""
    connection.execute("CREATE EXTENSION timescaledb")
    migrate_only(connection)
    prepare(connection, RetentionSettings(raw=timedelta(days=10)))
    changes = prepare(connection)
    assert "mail_stats_5m: refresh policy, start_offset 10d, end_offset 10m, schedule_interval 1m (altered)" in changes


def test_roll_ups_equal_the_events_before_and_after_refresh(connection: psycopg.Connection) -> None:
    """Aggregates equal the events: not refreshed, partly, wholly, by policies, and after late events."""
    connection.execute("CREATE EXTENSION timescaledb")
    migrate_only(connection)
    prepare(connection, SHORT)
    now = now_ms()
    insert(connection, some(600, now - 50 * MINUTE, now, seed=1))
    assert_equal(connection)
    run_policies(connection, "policy_refresh_continuous_aggregate")
    assert_equal(connection)
    insert(connection, some(200, now - 50 * MINUTE, now, seed=2))
    run_policies(connection, "policy_refresh_continuous_aggregate")
    assert_equal(connection)
    insert(connection, some(200, now - 40 * HOUR, now, seed=10))
    run_policies(connection, "policy_refresh_continuous_aggregate")
    assert_equal(connection, but=("mail_stats_15s",))
    roll_up(connection, SHORT)
    assert connection.execute("SELECT count(*) FROM touched_buckets").fetchone() == (0,)


def test_a_database_without_the_extension_is_taken_over_with_its_history(connection: psycopg.Connection) -> None:
    """A plain database that gets the extension keeps its roll-ups, also those older than any event."""
    migrate_only(connection)
    now = now_ms()
    insert(connection, some(300, now - 20 * DAY, now - 5 * MINUTE, seed=3))
    everything = read_events(connection)
    for _ in range(3):
        roll_up(connection)
    connection.execute("DELETE FROM mail_events WHERE time < to_timestamp(%s)", ((now - 10 * DAY) / 1000,))
    connection.execute(
        "INSERT INTO retention_horizons VALUES ('mail_events', to_timestamp(%s))", ((now - 10 * DAY) / 1000,)
    )
    before = {relation: read_rollup(connection, relation) for relation in RELATIONS}
    connection.execute("CREATE EXTENSION timescaledb")
    changes = prepare(connection)
    assert "mail_events: a hypertable now, with chunks of a day" in changes
    assert layout_of(connection) == (True, True)
    assert {relation: read_rollup(connection, relation) for relation in RELATIONS} == before
    insert(connection, some(50, now - 8 * DAY, now, seed=4))
    refresh(connection, now - 9 * DAY, now)
    known = {event["time"] for event in everything}
    events = everything + [event for event in read_events(connection) if event["time"] not in known]
    assert_equal(connection, events, but=("mail_stats_15s",))


def test_what_was_there_before_the_roll_ups_is_refreshed(connection: psycopg.Connection) -> None:
    """The job refreshes events that are older than any policy's window, from a version without roll-ups."""
    connection.execute("CREATE EXTENSION timescaledb")
    migrate_only(connection)
    now = now_ms()
    insert(connection, some(300, now - 25 * DAY, now, seed=6))
    prepare(connection)
    refresh(connection, now - 3 * HOUR, now)
    roll_up_all(connection)
    assert_equal(connection, but=("mail_stats_15s",))


def test_sizes_are_told_of_aggregates_too(connection: psycopg.Connection) -> None:
    """The sizes of aggregates include their chunks."""
    connection.execute("CREATE EXTENSION timescaledb")
    migrate_only(connection)
    prepare(connection)
    insert(connection, some(100, now_ms() - DAY, now_ms(), seed=9))
    refresh(connection)
    metrics = Metrics()
    Sizes(metrics).run(connection, datetime.now(UTC), lambda: False)
    shown = {
        s.labels["relation"]: s.value
        for m in metrics.registry.collect()
        for s in m.samples
        if s.name == "duckwatch_store_bytes"
    }
    assert RELATIONS.keys() | {"mail_events", "dead_letters"} <= shown.keys()
    assert all(size > 0 for size in shown.values())


def drop_chunks(connection: psycopg.Connection, before_ms: int) -> None:
    """Drop chunks as an operator does."""
    dropped = connection.execute("SELECT drop_chunks('mail_events', to_timestamp(%s))", (before_ms / 1000,)).fetchall()
    assert dropped


def every_source(now: int, first: int, seed: int) -> list[MailEvent]:
    """Return rows of each source, with times in every part of a bucket."""
    made = some(400, first, now, seed=seed)
    sources = [Source.PLUGIN, Source.BOUNCE, Source.CHANGE_STREAM, Source.GELF, Source.WILDDUCK, Source.ARF]
    return [
        msgspec.structs.replace(
            one,
            source=sources[n % len(sources)],
            time=one.time // 15_000 * 15_000 + (n * 331 % 15_000),
            event_id=f"{n}{one.event_id}",
        )
        for n, one in enumerate(made)
    ]


def test_events_of_every_source_are_in_the_aggregates(connection: psycopg.Connection) -> None:
    """Aggregates count the rows of every source as the roll-ups of other tiers do, and `doctor` agrees."""
    connection.execute("CREATE EXTENSION timescaledb")
    migrate_only(connection)
    prepare(connection, SHORT)
    now = now_ms()
    insert(connection, every_source(now, now - 50 * MINUTE, seed=12))
    run_policies(connection, "policy_refresh_continuous_aggregate")
    roll_up(connection, SHORT)
    assert_equal(connection)
    compared = list(compare_buckets(connection, SHORT, datetime.now(UTC), random.Random(1)))
    assert compared
    assert not any(one.is_different for one in compared)


def test_chunks_that_are_dropped_by_hand_stay_counted(connection: psycopg.Connection) -> None:
    """Chunks dropped by hand stay counted, and late events of those days are added, also after another drop."""
    connection.execute("CREATE EXTENSION timescaledb")
    migrate_only(connection)
    kept = RetentionSettings(raw=timedelta(days=4), stats_15s=timedelta(days=2), stats_5m=timedelta(days=5))
    prepare(connection, kept)
    now = now_ms()
    came = some(300, now - 44 * HOUR, now, seed=13)
    insert(connection, came)
    refresh(connection, now - 46 * HOUR, now - HOUR)
    roll_up(connection, kept)
    for seed in (14, 15):
        drop_chunks(connection, now - 18 * HOUR)
        late = some(20, now - 44 * HOUR, now - 43 * HOUR, seed=seed)
        insert(connection, late)
        came += late
        for _ in range(2):
            roll_up(connection, kept)
            run_policies(connection, "policy_refresh_continuous_aggregate")
        assert_equal(connection, [msgspec.structs.asdict(one) for one in came])
    assert prepare(connection, kept) == []


def test_what_was_deleted_by_hand_before_the_extension_stays_counted(connection: psycopg.Connection) -> None:
    """Rows deleted before the extension came stay counted in the aggregates, and late events are added."""
    migrate_only(connection)
    now = now_ms()
    came = some(200, now - 2 * DAY, now - 4 * HOUR, seed=16)
    insert(connection, came)
    roll_up_all(connection)
    connection.execute("DELETE FROM mail_events WHERE time < to_timestamp(%s)", ((now - DAY) / 1000,))
    connection.execute("CREATE EXTENSION timescaledb")
    prepare(connection, SHORT)
    late = some(20, now - 2 * DAY, now - DAY, seed=17)
    insert(connection, late)
    for _ in range(2):
        roll_up_all(connection)
        roll_up(connection, SHORT)
        run_policies(connection, "policy_refresh_continuous_aggregate")
    events = [msgspec.structs.asdict(one) for one in came + late]
    assert_equal(connection, events, but=("mail_stats_15s",))


def test_a_policy_that_was_put_off_by_a_clock_ahead_runs_now(connection: psycopg.Connection) -> None:
    """A policy whose next start was computed by a clock that was ahead runs now; one that is not due does not."""
    connection.execute("CREATE EXTENSION timescaledb")
    migrate(connection)
    lay_out(connection, SHORT, datetime.now(UTC))
    refreshes = "FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate'"
    connection.execute(f"SELECT alter_job(job_id, next_start => now() + interval '20 hours') {refreshes}".encode())
    connection.execute(
        "SELECT alter_job(job_id, next_start => now() + interval '20 hours') FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_retention' AND schedule_interval >= interval '1 day'"
    )
    KeepWhat(SHORT).run(connection, datetime.now(UTC), lambda: False)
    late = (
        "SELECT count(*) FILTER (WHERE proc_name LIKE '%refresh%'), "
        "count(*) FILTER (WHERE proc_name LIKE '%retention%') > 0"
        " FROM timescaledb_information.jobs WHERE next_start > now() + interval '1 hour'"
    )
    assert connection.execute(late.encode()).fetchall() == [(0, True)]
