"""A database without one of our indexes or triggers, as a restore that was ended leaves it, is recognised."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from collector.errors import StoreUnavailableError
from collector.events.model.batch import Batch
from collector.store.migrations import tables
from collector.store.schema.completeness import missing, parts
from collector.store.writing.batch_write import PostgresStore
from tests.oracle.made_up import NOW_MS, some

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

OF_EVERY_TABLE = """
SELECT indexes.relname FROM pg_index JOIN pg_class AS indexes ON indexes.oid = indexrelid
WHERE indrelid = ANY (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
UNION ALL
SELECT tgname FROM pg_trigger
WHERE tgrelid = ANY (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
  AND NOT tgisinternal AND tgname NOT LIKE 'keep\\_%%' AND tgname NOT LIKE 'ts\\_%%'
"""

NOT_ON_EVERY_TIER = ["mail_stats_1h_messages", "mail_stats_5m_messages"]
"""The indexes of migration 0026 on what is a continuous aggregate with TimescaleDB Community."""


@pytest.fixture
def store(any_dsn: str) -> Iterator[PostgresStore]:
    """Yield a store on a new database."""
    made = PostgresStore(any_dsn, any_dsn)
    made.prepare()
    yield made
    made.close()


def test_every_part_of_a_migrated_database_is_known(any_dsn: str, store: PostgresStore) -> None:
    """The parts are read from the migrations' text, and are those that the migrations make: no more, no fewer."""
    del store
    ours = [table for table in tables() if table != "schema_migrations"]
    with psycopg.connect(any_dsn) as connection:
        made = [row[0] for row in connection.execute(OF_EVERY_TABLE.encode(), {"tables": ours})]
        assert sorted(made) == sorted([*(part.name for part in parts()), *NOT_ON_EVERY_TIER])
        assert missing(connection) == []


@pytest.mark.parametrize(
    "damage",
    ["DROP INDEX mail_events_identity CASCADE", "DROP TRIGGER mark_outcomes ON touched_buckets"],
)
def test_nothing_is_stored_where_events_or_counts_would_go_wrong(
    any_dsn: str, store: PostgresStore, damage: str
) -> None:
    """A store refuses to start, and a running one to write, until the part is there again: no event is stored twice."""
    batch = Batch(some(5, NOW_MS - 1000, NOW_MS, seed=1))
    store.write(batch)
    store.close()
    with psycopg.connect(any_dsn, autocommit=True) as connection:
        connection.execute(damage.encode())
        for attempt in (store.prepare, lambda: store.write(batch)):
            with pytest.raises(StoreUnavailableError) as caught:
                attempt()
            assert caught.value.kind == "incomplete"
        assert connection.execute("SELECT count(*) FROM mail_events").fetchone() == (5,)


def test_an_index_that_only_makes_queries_fast_may_be_missing(any_dsn: str, store: PostgresStore) -> None:
    """An operator may drop an index to save room: events are stored."""
    with psycopg.connect(any_dsn, autocommit=True) as connection:
        connection.execute("DROP INDEX mail_events_failures")
        assert [part.name for part in missing(connection)] == ["mail_events_failures"]
    store.prepare()
    assert len(store.write(Batch(some(5, NOW_MS - 1000, NOW_MS, seed=2))).new_events) == 5


def test_a_newer_version_may_have_replaced_a_part(any_dsn: str, store: PostgresStore) -> None:
    """A database of a newer version is not judged by the parts of this one."""
    with psycopg.connect(any_dsn, autocommit=True) as connection:
        connection.execute("DROP TRIGGER mark_outcomes ON touched_buckets")
        row = (9000, "9000_of_a_later_version", datetime.now(UTC))
        connection.execute("INSERT INTO schema_migrations VALUES (%s, %s, %s)", row)
    store.prepare()
