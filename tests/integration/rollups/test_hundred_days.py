"""A hundred days of mail with the test's clock: daily retention and refresh and late events keep roll-ups right."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from collector.config.model import RetentionSettings as Kept
from collector.events.model.batch import Batch
from collector.jobs import RetentionJob
from collector.store.rollups.policies import wanted
from collector.store.rollups.retention import begins
from tests.integration.rollups.test_community import insert, migrate_only, prepare
from tests.oracle.made_up import DAY, HOUR, MINUTE, event
from tests.oracle.rollups import RELATIONS, expected, read_events, read_rollup

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from collector.events.model.event import MailEvent
    from tests.integration.house import House
    from tests.servers.community import Community

pytestmark = pytest.mark.servers

KEPT = Kept()
DAYS = 100
LATE_DAYS = (2, 5, 25)
AHEAD = 50 * MINUTE
"""Less than an hour, up to which the border accepts an event from the future."""


def mornings() -> Iterator[tuple[datetime, list[MailEvent]]]:
    """Yield each noon of the last hundred days with the events until then: of that day, late ones, one ahead."""
    chance = random.Random(100)
    today = datetime.now(UTC).replace(microsecond=0)
    for day in range(DAYS, -1, -1):
        now = today - timedelta(days=day)
        at = int(now.timestamp() * 1000)
        times = [at - chance.randrange(DAY) for _ in range(6)]
        times += [at - late * DAY - chance.randrange(HOUR) for late in LATE_DAYS if late <= DAYS - day]
        yield now, [event(time, chance) for time in [*times, at + AHEAD if day else at]]


def told(events: list[MailEvent]) -> list[dict[str, Any]]:
    """Return the events in the oracle's form."""
    return [msgspec.structs.asdict(one) for one in events]


def assert_kept(connection: psycopg.Connection, events: list[MailEvent], now: datetime) -> None:
    """Assert that roll-ups and events are complete for as long as each is kept."""
    rows = told(events)
    kept = {"15s": KEPT.stats_15s, "5m": KEPT.stats_5m, "1h": KEPT.stats_1h}
    for relation, (width, _, _) in RELATIONS.items():
        limit = begins(now, kept[width]).timestamp() * 1000
        wanted_sums = {key: sums for key, sums in expected(rows, relation).items() if key[0] >= limit}
        found = {key: sums for key, sums in read_rollup(connection, relation).items() if key[0] >= limit}
        assert found == wanted_sums, relation
    limit = begins(now, KEPT.raw).timestamp() * 1000
    assert len(read_events(connection)) == sum(one.time >= limit for one in events)


@pytest.mark.usefixtures("our_jobs")
def test_a_hundred_days_where_the_collector_builds(house: House) -> None:
    """The collector's roll-ups and retention are right for a hundred days, also with a clock two days behind."""
    came: list[MailEvent] = []
    for day, (now, events) in enumerate(mornings()):
        house.store.write(Batch(events))
        came += events
        believed = now - timedelta(days=2) if 60 <= day < 63 else now
        house.roll_up(believed)
        RetentionJob(KEPT).run(house.connection, believed, lambda: False)
        if day % 33 == 32:
            assert_kept(house.connection, came, now)
    house.roll_up(now)
    assert_kept(house.connection, came, now)


def keep_policies(connection: psycopg.Connection, now: datetime) -> None:
    """Do what the policies would do at that time: they use the server's clock, which a test cannot set."""
    for policy in wanted(KEPT, {}, now):
        if policy.kind == "refresh":
            window = now - policy.settings["start_offset"], now - policy.settings["end_offset"]
            connection.execute("CALL refresh_continuous_aggregate(%s::regclass, %s, %s)", (policy.relation, *window))
        elif policy.kind == "retention":
            connection.execute(
                "SELECT drop_chunks(%s::regclass, %s)", (policy.relation, now - policy.settings["drop_after"])
            )
        else:
            before = now - policy.settings["compress_after"]
            connection.execute(
                "SELECT compress_chunk(chunk, true) FROM show_chunks(%s, older_than => %s) AS chunk",
                (policy.relation, before),
            )


def test_a_hundred_days_of_policies(community: Community) -> None:
    """The policies' windows keep aggregates right for a hundred days, with late events in compressed chunks."""
    with community.connect(autocommit=True) as connection:
        connection.execute("CREATE EXTENSION timescaledb")
        migrate_only(connection)
        prepare(connection, KEPT)
        came: list[MailEvent] = []
        for now, events in mornings():
            insert(connection, events)
            came += events
            keep_policies(connection, now)
        assert_kept(connection, came, now)
        assert insert(connection, events) == 0
