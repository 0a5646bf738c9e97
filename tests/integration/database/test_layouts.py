"""TimescaleDB in an operator's set-up: the collector's role may not change it, or other views depend on it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import conninfo, sql

from collector.config.model import RetentionSettings
from collector.events.model.batch import Batch
from collector.store.database.tiers import layout_of
from collector.store.migrations import LOCK_KEY
from collector.store.schema.layout import lay_out_if_let
from collector.store.writing.batch_write import PostgresStore
from tests.integration.rollups.test_community import migrate_only
from tests.oracle.made_up import DAY, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.community import Community

pytestmark = pytest.mark.servers


def execute(dsn: str, *statements: LiteralString) -> None:
    """Execute each statement as administrator in a new session, because a session loads an extension only once."""
    for statement in statements:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement)


def has_chunks(dsn: str) -> bool:
    """Return True when `mail_events` is a hypertable."""
    with psycopg.connect(dsn) as connection:
        return layout_of(connection).has_chunks


def write(dsn: str) -> int:
    """Start a store and write. Return the number of new events."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    store = PostgresStore(dsn, dsn)
    try:
        store.prepare()
        return len(store.write(Batch(some(20, now_ms - DAY, now_ms - DAY // 2, seed=3))).new_events)
    finally:
        store.close()


@pytest.fixture
def stranger(timescale_dsn: str) -> Iterator[str]:
    """Yield the same database for a role that may write but owns nothing."""
    name = f"duckwatch_stranger_{uuid4().hex[:8]}"
    role = sql.Identifier(name)
    with psycopg.connect(timescale_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'any'").format(role))
    yield conninfo.make_conninfo(timescale_dsn, user=name, password="any")
    with psycopg.connect(timescale_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


def test_a_role_that_may_not_change_the_layout_writes_all_the_same(
    timescale_dsn: str, stranger: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If the extension came after the tables, events are stored without chunks until the owner runs `migrate`."""
    execute(timescale_dsn, "DROP EXTENSION timescaledb")
    PostgresStore(timescale_dsn, timescale_dsn).prepare()
    with psycopg.connect(timescale_dsn, autocommit=True) as connection:
        role = sql.Identifier(str(conninfo.conninfo_to_dict(stranger)["user"]))
        connection.execute(
            sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}").format(role)
        )
    execute(timescale_dsn, "CREATE EXTENSION timescaledb")
    assert write(stranger) == 20
    assert not has_chunks(timescale_dsn)
    assert "the storage layout could not be changed: run doctor" in caplog.messages
    PostgresStore(timescale_dsn, timescale_dsn).prepare()
    assert has_chunks(timescale_dsn)


@pytest.mark.parametrize("schema", ["public", "extensions"])
def test_an_owner_that_is_no_superuser_starts_in_an_empty_database(
    timescale_dsn: str, stranger: str, schema: str
) -> None:
    """A role that only owns the database can start in it, after an administrator has created the extension."""
    if schema != "public":
        execute(timescale_dsn, "DROP EXTENSION timescaledb")
        execute(timescale_dsn, "CREATE SCHEMA extensions; CREATE EXTENSION timescaledb SCHEMA extensions")
        execute(timescale_dsn, "GRANT USAGE ON SCHEMA extensions TO PUBLIC")
    with psycopg.connect(timescale_dsn, autocommit=True) as connection:
        names = sql.Identifier(connection.info.dbname), sql.Identifier(str(conninfo.conninfo_to_dict(stranger)["user"]))
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*names))
    assert write(stranger) == 20
    assert has_chunks(stranger)
    with psycopg.connect(timescale_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(names[0]))


def test_a_view_of_somebodys_own_holds_no_start_up(community: Community) -> None:
    """A foreign view on a roll-up does not stop the start: the roll-up stays as it is until the view is dropped."""
    with community.connect(autocommit=True) as connection:
        migrate_only(connection)
        connection.execute("CREATE VIEW of_mine AS SELECT bucket, sum(events) FROM mail_stats_5m GROUP BY 1")
        connection.execute("CREATE EXTENSION timescaledb")
        now, kept = datetime.now(UTC), RetentionSettings()
        assert lay_out_if_let(connection, kept, now) == ([], "other (2BP01)")
        assert layout_of(connection) == (False, False)
        connection.execute("DROP VIEW of_mine")
        assert lay_out_if_let(connection, kept, now)[1] is None
        assert layout_of(connection) == (True, True)


def test_a_statement_timeout_ends_no_migration(postgres_dsn: str) -> None:
    """A statement_timeout for queries does not end a migration, nor the wait for another collector's migration."""
    with psycopg.connect(postgres_dsn, autocommit=True) as first:
        name = sql.Identifier(first.info.dbname)
        first.execute(sql.SQL("ALTER DATABASE {} SET statement_timeout = '500ms'").format(name))
        first.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        release = threading.Timer(2, first.execute, ["SELECT pg_advisory_unlock_all()"])
        release.start()
        PostgresStore(postgres_dsn, postgres_dsn).prepare()
        release.join()
