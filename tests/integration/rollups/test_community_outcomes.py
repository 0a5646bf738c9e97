"""TimescaleDB Community: the roll-ups of outcomes are tables there too, beside continuous aggregates."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from collector.config.model import RetentionSettings
from collector.store import migrations
from collector.store.schema import replica_identity
from tests.integration.rollups.test_community import (
    KEPT,
    drop_chunks,
    insert,
    migrate_only,
    now_ms,
    prepare,
    refresh,
    roll_up,
    roll_up_all,
)
from tests.integration.rollups.test_outcomes import assert_bounded, everything, fill_an_hour
from tests.oracle.made_up import DAY, HOUR, some
from tests.oracle.outcomes import assert_outcomes, read_recipients
from tests.oracle.rollups import read_events

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tests.servers.community import Community

pytestmark = pytest.mark.servers


@pytest.fixture
def connection(community: Community) -> Iterator[psycopg.Connection]:
    """With the extension, and without our schema."""
    with community.connect(autocommit=True) as made:
        made.execute("CREATE EXTENSION timescaledb")
        yield made


def build(connection: psycopg.Connection) -> None:
    """Take the marks, and build until nothing is due."""
    roll_up(connection)
    roll_up_all(connection)


def test_outcomes_equal_the_events(connection: psycopg.Connection) -> None:
    """Fresh and late ones, also of a day whose chunk is compressed; what is dropped by hand stays counted."""
    migrate_only(connection)
    prepare(connection)
    now = now_ms()
    insert(connection, some(400, now - 5 * DAY, now, seed=21))
    build(connection)
    assert_outcomes(connection)
    connection.execute("SELECT compress_chunk(c) FROM show_chunks('mail_events', older_than => INTERVAL '2 days') AS c")
    insert(connection, some(100, now - 5 * DAY, now, seed=22))
    build(connection)
    came = read_events(connection)
    assert_outcomes(connection, came)
    drop_chunks(connection, now - 3 * DAY)
    roll_up(connection)
    late = now - 4 * DAY - 5 * HOUR
    insert(connection, some(20, late, late + HOUR, seed=23))
    build(connection)
    came += [one for one in read_events(connection) if one["event_id"] not in {known["event_id"] for known in came}]
    assert_outcomes(connection, came)


def test_an_hour_stays_within_its_bounds(connection: psycopg.Connection) -> None:
    """100,000 recipient domains and 50,000 patterns."""
    migrate_only(connection)
    prepare(connection)
    fill_an_hour(connection, (now_ms() - 5 * HOUR) // HOUR * HOUR)
    build(connection)
    assert_bounded(connection)


def test_an_upgrade_leaves_history_alone_whose_events_are_gone(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database of the version before, whose older chunks the retention policy has dropped:
    mail_stats_* are as they were, and the outcomes are those of the events that are left.
    """
    shipped = migrations.shipped
    monkeypatch.setattr(migrations, "shipped", lambda: [one for one in shipped() if one.version <= 20])
    monkeypatch.setattr(replica_identity, "tables", list)
    migrate_only(connection)
    kept = RetentionSettings(raw=timedelta(days=4), stats_5m=KEPT.stats_5m)
    prepare(connection, kept)
    now = now_ms()
    insert(connection, some(400, now - 9 * DAY, now, seed=24))
    refresh(connection, now - 10 * DAY, now)
    jobs = connection.execute(
        "SELECT job_id FROM timescaledb_information.jobs "
        "WHERE proc_name = 'policy_retention' AND hypertable_name = 'mail_events'"
    )
    for (job,) in jobs.fetchall():
        connection.execute("CALL run_job(%s)", (job,))
    connection.execute("DELETE FROM touched_buckets")  # the version before took them
    monkeypatch.undo()
    assert 0 < len(read_events(connection)) < 300
    known = everything(connection)

    migrate_only(connection)
    prepare(connection, kept)
    assert everything(connection) == known
    for _ in range(3):
        roll_up(connection, kept)
    assert everything(connection) == known
    # Of the oldest day a policy may be dropping the chunk.
    since = (now - 3 * DAY) // DAY * DAY
    assert_outcomes(connection, [one for one in read_events(connection) if one["time"] >= since])
    assert len(read_recipients(connection)) > 10
