"""Every table has a replica identity on every tier, so a publication of all tables refuses no DELETE or UPDATE."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import psycopg

from collector.config.model import RetentionSettings
from collector.events.model.batch import Batch
from collector.events.model.event import Action, Source
from collector.jobs import Housekeeping
from collector.store.migrations import migrate, tables
from collector.store.people.spelling import Person
from collector.store.people.subjects import People
from collector.store.schema.layout import lay_out
from collector.store.schema.replica_identity import unidentified
from tests.integration.house import stop_policies
from tests.integration.writing.test_reconciliation import MS, AllSources, told
from tests.oracle.made_up import DAY, some

if TYPE_CHECKING:
    from tests.integration.house import House
    from tests.servers.community import Community
    from tests.servers.given import GivenCommunity

PUBLICATION = "CREATE PUBLICATION everything FOR ALL TABLES"


def bare(connection: psycopg.Connection) -> list[str]:
    """Return the tables and chunks without a replica identity, from PostgreSQL's catalogue."""
    return [
        row[0]
        for row in connection.execute(
            "SELECT c.oid::regclass::text FROM pg_class c WHERE relkind IN ('r', 'p') AND relpersistence = 'p'"
            " AND (relnamespace = current_schema()::regnamespace OR relname ~ '^_hyper_')"
            " AND NOT (relreplident = 'f' OR EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid"
            " AND CASE relreplident WHEN 'd' THEN indisprimary WHEN 'i' THEN indisreplident END)) ORDER BY 1"
        )
    ]


def test_every_table_of_the_schema_has_a_replica_identity(any_dsn: str) -> None:
    """The migrations give every table a replica identity: a primary key, or by a migration of this kind."""
    with psycopg.connect(any_dsn) as connection:
        migrate(connection)
        assert set(tables()) <= {row[0] for row in connection.execute("SELECT relname FROM pg_class")}
        assert bare(connection) == []
        assert unidentified(connection) == []


def test_a_publication_of_all_tables_refuses_nothing(house: House, any_dsn: str) -> None:
    """Writer, take-over, reconciliation, roll-ups, retention and `subject forget` work, also in new chunks."""
    house.store.write(Batch(some(50, MS - 2 * DAY, MS, seed=1)))
    house.connection.execute(PUBLICATION)
    roads = AllSources(house)
    house.store.write(Batch(some(50, MS - 5 * DAY, MS - 3 * DAY, seed=2)))
    roads.tell(told(Source.BOUNCE, Action.BOUNCED))
    roads.reconcile()
    roads.tell(told(Source.PLUGIN, Action.BOUNCED, recipient="janedoe@x.example"))
    assert [row for row in roads.rows() if row[0] == "q1"] == [("q1", "001", "bounced", "plugin")]
    house.roll_up(datetime.fromtimestamp(MS / 1000, UTC))
    assert house.connection.execute("SELECT count(*) FROM touched_buckets").fetchone() == (0,)
    assert People(any_dsn).forget(Person.of("janedoe@x.example", None))["mail_events"] == 1
    assert bare(house.connection) == []


def test_a_table_that_was_in_use_is_completed_later(postgres_dsn: str) -> None:
    """The migration skips a table that a long query holds, and a job completes it later."""
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        migrate(connection)
        connection.execute("ALTER TABLE mail_stats_5m REPLICA IDENTITY DEFAULT")
        connection.execute("DELETE FROM schema_migrations WHERE version = 15")
        with psycopg.connect(postgres_dsn) as reader:
            reader.execute("SELECT count(*) FROM mail_stats_5m")
            connection.autocommit = False
            assert [one.version for one in migrate(connection)] == [15]
            assert bare(connection) == ["mail_stats_5m"]
            connection.commit()
        connection.autocommit = True
        Housekeeping(RetentionSettings().dead_letters).run(connection, datetime.now(UTC), lambda: False)
        assert bare(connection) == []


def test_continuous_aggregates_are_refreshed_under_a_publication(community: Community | GivenCommunity) -> None:
    """A publication refuses no refresh of a continuous aggregate, whose tables TimescaleDB makes itself."""
    with community.connect(autocommit=True) as connection:
        connection.execute("CREATE EXTENSION timescaledb")
        connection.autocommit = False
        migrate(connection)
        lay_out(connection, RetentionSettings(), datetime.now(UTC))
        stop_policies(connection)
        connection.execute(PUBLICATION)
        now = int(datetime.now(UTC).timestamp() * 1000)
        event = msgspec.structs.replace(some(1, now - 2 * DAY, now - DAY, seed=3)[0], event_id="later")
        for number in range(2):
            values = (event.time / 1000, f"{event.event_id}{number}")
            connection.execute(
                "INSERT INTO mail_events (time, event_id, cluster, action, source, direction, received_at)"
                " VALUES (to_timestamp(%s), %s, 'eu1', 'queued', 'plugin', 'outbound', now())",
                values,
            )
            for relation in ("mail_stats_5m", "mail_stats_1h"):
                connection.execute("CALL refresh_continuous_aggregate(%s::regclass, NULL, NULL)", (relation,))
        assert connection.execute("SELECT sum(events) FROM mail_stats_1h").fetchone() == (2,)
        assert bare(connection) == []
