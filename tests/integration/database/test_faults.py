"""Faults of the database that no row causes, under a running collector: no event is lost, /readyz names the fault."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import conninfo

from tests.servers.collector import Collector
from tests.servers.disk import small_disk
from tests.servers.fixtures import need
from tests.servers.postgres import EmbeddedPostgres, PostgresCluster
from tests.servers.process import children, is_running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "canary2609"
"""Part of each event. A server quotes rows in its messages, and no quote may reach the log."""

_ids = count(1)


def events(number: int, bytes_each: int = 0) -> list[dict[str, Any]]:
    """Return good events of now, each with its own id."""
    now = time.time_ns() // 1_000_000
    rest = {"to": f"{CANARY}@b.example", "extra": uuid4().hex * (bytes_each // 32)}
    return [
        {"time": now, "context": "receiver", "entry": {"id": f"f{next(_ids)}", "action": "QUEUED", **rest}}
        for _ in range(number)
    ]


class CollectorUnderFaults:
    """A collector, and the owner of its database, who causes faults."""

    def __init__(self, collector: Collector, owner_dsn: str) -> None:
        self.collector, self._owner_dsn = collector, owner_dsn
        self.acknowledged = 0

    def send(self, number: int, bytes_each: int = 0) -> int:
        """Send one request. Return its status."""
        status = self.collector.send(events(number, bytes_each))
        if status == 202:
            self.acknowledged += number
        return status

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Execute statements as the owner. Return the last one's rows."""
        with psycopg.connect(self._owner_dsn, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def is_troubled(self, kind: str) -> bool:
        """Return True when both /readyz and /metrics name the fault."""
        errors = self.collector.metrics().get("duckwatch_store_errors_total", {})
        return self.collector.trouble().get("database") == kind and errors.get((("kind", kind),), 0) > 0

    def is_named(self) -> bool:
        """Return True when /readyz, /metrics and the log have the same SQLSTATE."""
        sqlstate = self.collector.sqlstates()["database"]
        counted = self.collector.metrics()["duckwatch_store_refusals_total"]
        log = self.collector.log.read_text(encoding="utf-8")
        return counted[(("sqlstate", sqlstate),)] > 0 and f'"sqlstate": "{sqlstate}"' in log

    def assert_well(self) -> None:
        """Assert that every acknowledged event is stored and counted once, that no dead letter exists and no secret
        leaked.
        """
        wait_until(lambda: self.collector.total("duckwatch_journal_requests") == 0, "all is written", seconds=60)
        found = self.execute("SELECT count(*), count(DISTINCT event_id) FROM mail_events")
        assert found == [(self.acknowledged, self.acknowledged)]
        assert self.collector.total("duckwatch_mail_events_total") == self.acknowledged
        assert self.execute("SELECT count(*) FROM dead_letters") == [(0,)]
        assert self.collector.trouble() == {}
        log = self.collector.log.read_text(encoding="utf-8")
        assert CANARY not in log
        assert '"error"' not in log


@pytest.fixture
def role(postgres: PostgresCluster, postgres_dsn: str) -> Iterator[str]:
    """Yield a role that owns only the collector's tables, because a superuser is denied nothing."""
    name = f"duckwatch_{uuid4().hex[:8]}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN")
        connection.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    yield name
    postgres.drop_database(postgres_dsn)
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(f"DROP ROLE {name}")


@pytest.fixture
def ward(postgres_dsn: str, role: str, tmp_path: Path) -> Iterator[CollectorUnderFaults]:
    """Yield a running collector with stored events."""
    collector = Collector(tmp_path, tmp_path, conninfo.make_conninfo(postgres_dsn, user=role))
    collector.start()
    made = CollectorUnderFaults(collector, postgres_dsn)
    assert made.send(5) == 202
    made.assert_well()
    yield made
    assert collector.stop() == 0


NEW_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
"""Faults by a setting of the database or the role, which applies to new sessions only."""

FAULTS: dict[str, tuple[str, list[str], list[str]]] = {
    "the role may not insert": (
        "permission",
        ["REVOKE INSERT ON mail_events FROM {role}"],
        ["GRANT INSERT ON mail_events TO {role}"],
    ),
    "the role may not connect": (
        "permission",
        ["REVOKE CONNECT ON DATABASE {database} FROM PUBLIC", NEW_SESSIONS],
        ["GRANT CONNECT ON DATABASE {database} TO PUBLIC"],
    ),
    "the role may not log in": (
        "authentication",
        ["ALTER ROLE {role} NOLOGIN", NEW_SESSIONS],
        ["ALTER ROLE {role} LOGIN"],
    ),
    "no connection is left for the role": (
        "resources",
        ["ALTER ROLE {role} CONNECTION LIMIT 0", NEW_SESSIONS],
        ["ALTER ROLE {role} CONNECTION LIMIT -1"],
    ),
    "the database is read-only for a while": (
        "read_only",
        ["ALTER DATABASE {database} SET default_transaction_read_only = on", NEW_SESSIONS],
        [
            "SET default_transaction_read_only = off",
            "ALTER DATABASE {database} RESET default_transaction_read_only",
            NEW_SESSIONS,
        ],
    ),
    "the table is gone for a while": (
        "missing_table",
        ["ALTER TABLE mail_events RENAME TO elsewhere"],
        ["ALTER TABLE elsewhere RENAME TO mail_events"],
    ),
    "row security is forced": (
        "not_supported",
        ["ALTER TABLE mail_events ENABLE ROW LEVEL SECURITY", "ALTER TABLE mail_events FORCE ROW LEVEL SECURITY"],
        ["ALTER TABLE mail_events DISABLE ROW LEVEL SECURITY"],
    ),
    "a trigger of the operator's raises": (
        "raised",
        [
            (
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ "
                "BEGIN RAISE 'no: %', NEW.recipient; END $$"
            ),
            "CREATE TRIGGER refusing BEFORE INSERT ON mail_events FOR EACH ROW EXECUTE FUNCTION refuse()",
        ],
        ["DROP FUNCTION refuse CASCADE"],
    ),
    "marks may not be made": (
        "not_ready",
        [
            (
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ "
                "BEGIN RAISE 'no' USING ERRCODE = '55000'; END $$"
            ),
            "CREATE TRIGGER refusing BEFORE INSERT ON touched_buckets FOR EACH ROW EXECUTE FUNCTION refuse()",
        ],
        ["DROP FUNCTION refuse CASCADE"],
    ),
    "a code that nobody knows": (
        "other",
        [
            (
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ "
                "BEGIN RAISE 'no' USING ERRCODE = 'ZZ123'; END $$"
            ),
            "CREATE TRIGGER refusing BEFORE INSERT ON mail_events FOR EACH ROW EXECUTE FUNCTION refuse()",
        ],
        ["DROP FUNCTION refuse CASCADE"],
    ),
    "statements take too long": (
        "timeout",
        ["ALTER ROLE {role} SET statement_timeout = '1ms'", NEW_SESSIONS],
        ["ALTER ROLE {role} RESET statement_timeout", NEW_SESSIONS],
    ),
}


@pytest.mark.parametrize(("kind", "damage", "cure"), FAULTS.values(), ids=FAULTS)
def test_what_no_row_can_help_loses_nothing_and_is_named(
    ward: CollectorUnderFaults, role: str, postgres_dsn: str, kind: str, damage: list[str], cure: list[str]
) -> None:
    """During the fault events are accepted and wait in the journal, and afterwards they are stored."""
    names = {"role": role, "database": str(conninfo.conninfo_to_dict(postgres_dsn)["dbname"])}
    ward.execute(*(statement.format(**names) for statement in damage))
    for _ in range(10):
        assert ward.send(20) == 202
    wait_until(lambda: ward.is_troubled(kind), lambda: f"{kind}: {ward.collector.trouble()}")
    assert ward.collector.is_ready()
    assert ward.is_named()
    ward.execute(*(statement.format(**names) for statement in cure))
    ward.assert_well()


def test_a_stopped_assembler_is_named_and_replaced(ward: CollectorUnderFaults) -> None:
    """A stopped assembler is replaced, and then every event is stored."""
    (assembler,) = (pid for pid, words in children(ward.collector.pid).items() if "spawn_main" in words)
    os.kill(assembler, signal.SIGSTOP)
    for _ in range(5):
        assert ward.send(20) == 202
    wait_until(lambda: ward.collector.trouble() == {"assembler": "stuck"}, "it is named")
    assert ward.collector.is_ready()
    wait_until(lambda: not is_running(assembler), "it is killed")
    wait_until(lambda: ward.collector.total("duckwatch_mail_events_total") == ward.acknowledged, "all is stored")
    wait_until(lambda: ward.collector.trouble() == {}, lambda: str(ward.collector.trouble()))


@pytest.fixture
def own_postgres(server_logs: Path) -> Iterator[EmbeddedPostgres]:
    """Yield a cluster that tests may damage, with no role but its owner."""
    made = need(lambda: EmbeddedPostgres(server_logs, {"max_wal_size": "32MB"}))
    yield made
    made.remove()


def test_a_full_disk_of_the_table_loses_nothing_and_is_named(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """While the table's disk is full the collector accepts events, and stores them all when there is room."""
    folder = Path(tempfile.mkdtemp(prefix="duckwatch-disk-"))
    own_postgres.initialise()
    own_postgres.start()
    with small_disk(folder, 4) as disk:
        own_postgres.adopt(folder)
        dsn = own_postgres.create_database()
        collector = Collector(tmp_path, tmp_path, dsn)
        collector.start()
        ward = CollectorUnderFaults(collector, dsn)
        assert ward.send(5) == 202
        ward.assert_well()
        ward.execute(
            f"CREATE TABLESPACE small LOCATION '{folder}'",
            "ALTER TABLE mail_events ALTER COLUMN raw SET STORAGE PLAIN",
            "ALTER TABLE mail_events SET TABLESPACE small",
        )
        while not ward.is_troubled("disk_full"):
            assert ward.send(100, bytes_each=4000) == 202
        for _ in range(10):
            assert ward.send(100) == 202
        disk.grow(200)
        ward.assert_well()
        assert collector.stop() == 0
        own_postgres.stop()
    folder.rmdir()


def test_a_full_disk_of_the_whole_server_loses_nothing(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """A disk without room for the write-ahead log stops PostgreSQL. No event is lost when there is room again."""
    with small_disk(own_postgres.home, 100) as disk:
        own_postgres.adopt(own_postgres.home)
        own_postgres.initialise()
        own_postgres.start()
        dsn = own_postgres.create_database()
        collector = Collector(tmp_path, tmp_path, dsn)
        collector.start()
        ward = CollectorUnderFaults(collector, dsn)
        while not collector.trouble():
            assert ward.send(100, bytes_each=4000) == 202
        for _ in range(10):
            assert ward.send(100) == 202
        own_postgres.stop()
        disk.grow(500)
        own_postgres.start()
        ward.assert_well()
        assert collector.stop() == 0
        own_postgres.stop()


def test_a_full_disk_of_the_journal_is_told_to_the_sender(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """With a full journal disk and no database the answer is 503, no acknowledged event is lost, and room ends it."""
    own_postgres.initialise()
    own_postgres.start()
    dsn = own_postgres.create_database()
    with small_disk(tmp_path / "collector", 4) as disk:
        collector = Collector(tmp_path / "collector", tmp_path, dsn)
        collector.start()
        ward = CollectorUnderFaults(collector, dsn)
        assert ward.send(5) == 202
        ward.assert_well()
        own_postgres.stop()
        while (status := ward.send(100, bytes_each=1000)) == 202:
            pass
        assert status == 503
        wait_until(lambda: collector.trouble() == {"database": "connection", "journal": "failing"}, "both are named")
        assert not collector.is_ready()
        disk.grow(100)
        assert ward.send(20) == 202
        assert collector.trouble() == {"database": "connection"}
        own_postgres.start()
        wait_until(lambda: collector.total("duckwatch_journal_requests") == 0, "all is written", seconds=60)
        found = ward.execute("SELECT count(*), count(DISTINCT event_id) FROM mail_events")
        assert found == [(ward.acknowledged, ward.acknowledged)]
        assert collector.stop() == 0
