"""The dashboards' role: what it may read, that no setting widens that, and that its long queries are ended."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
from psycopg import conninfo
from psycopg import errors as pg

from collector.jobs.reader_queries import ReaderQueries
from collector.store import migrations
from collector.store.migrations import migrate
from collector.store.schema import reader_role
from collector.store.schema.reader_role import READABLE, ROLE, ReaderFault, complete_reader_role, end_long_queries
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.postgres import PostgresCluster

UNDO = ("SET default_transaction_read_only = off", "SET statement_timeout = 0", "SET temp_file_limit = -1")
"""The settings that a viewer may undo first."""


def as_role(dsn: str, role: str = ROLE) -> psycopg.Connection:
    return psycopg.connect(conninfo.make_conninfo(dsn, user=role), autocommit=True)


def ready(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        migrate(connection)
        assert complete_reader_role(connection) == []


@pytest.fixture
def dsn(any_dsn: str) -> str:
    """Yield a database with the schema and its role."""
    ready(any_dsn)
    return any_dsn


@pytest.fixture
def cluster(server_logs: Path) -> Iterator[PostgresCluster]:
    """Yield a server without the role."""
    made = need(lambda: EmbeddedPostgres(server_logs))
    try:
        made.initialise()
        made.start()
        yield made
    finally:
        made.remove()


def owned(cluster: PostgresCluster, attributes: LiteralString) -> str:
    """Yield the DSN of a database whose owner is an ordinary role, as at a hosting provider."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE duckwatch LOGIN " + attributes)
        connection.execute("CREATE DATABASE mail OWNER duckwatch")
    with psycopg.connect(cluster.dsn("mail"), autocommit=True) as connection:
        connection.execute("ALTER SCHEMA public OWNER TO duckwatch")
    return conninfo.make_conninfo(cluster.dsn("mail"), user="duckwatch")


def test_the_role_reads_what_is_listed_and_nothing_else(dsn: str) -> None:
    """The role can read every relation in the list, and no other."""
    with psycopg.connect(dsn) as connection:
        relations = {
            name
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
                "AND relkind IN ('r', 'v', 'p', 'm')"
            )
        }
    assert {"mail_events", "dead_letters"} <= relations
    with as_role(dsn) as connection:
        for name in relations:
            statement = psycopg.sql.SQL("SELECT * FROM {} LIMIT 1").format(psycopg.sql.Identifier(name))
            if name in READABLE:
                connection.execute(statement)
            else:
                with pytest.raises(pg.InsufficientPrivilege):
                    connection.execute(statement)


@pytest.mark.parametrize(
    "attempt",
    [
        "DELETE FROM mail_events",
        "INSERT INTO plugin_reports SELECT * FROM plugin_reports",
        "UPDATE mail_events SET raw = NULL",
        "TRUNCATE mail_events",
        "CREATE TEMPORARY TABLE full_disk AS SELECT 1",
        "CREATE TABLE full_disk AS SELECT 1",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP TABLE mail_events",
        "COPY mail_events TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "GRANT SELECT ON dead_letters TO duckwatch_reader",
        "SET ROLE postgres",
    ],
)
def test_no_setting_that_a_viewer_undoes_makes_it_more(dsn: str, attempt: LiteralString) -> None:
    """A viewer who undoes the role's settings gets no further right: the grants limit it."""
    with as_role(dsn) as connection:
        for setting in UNDO:
            try:
                connection.execute(setting.encode())
            except pg.InsufficientPrivilege:
                assert "temp_file_limit" in setting
        with pytest.raises((pg.InsufficientPrivilege, pg.InvalidParameterValue)):
            connection.execute(attempt)


def test_its_queries_are_not_compiled(dsn: str) -> None:
    """JIT is off: over many chunks compiling takes longer than the query."""
    with as_role(dsn) as connection:
        assert connection.execute("SHOW jit").fetchone() == ("off",)
        assert connection.execute("SHOW work_mem").fetchone() == ("64MB",)


def test_its_connections_are_limited(dsn: str) -> None:
    """The role's connections are limited, so that dashboards leave enough for the collector."""
    with psycopg.connect(dsn) as connection:
        limit = connection.execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone()
    assert limit == (20,)


def test_what_it_lacks_is_granted_at_the_next_look(dsn: str) -> None:
    """The job grants again what a recreated relation has lost, and ignores a relation that this database lacks."""
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP TABLE plugin_reports")
        connection.execute("CREATE TABLE plugin_reports (cluster text)")
        connection.commit()
        assert complete_reader_role(connection) == []
        connection.commit()
        connection.execute("DROP TABLE plugin_reports")
        assert complete_reader_role(connection) == []
        connection.rollback()
    with as_role(dsn) as connection:
        connection.execute("SELECT cluster FROM plugin_reports")


def test_long_queries_end_and_others_do_not(dsn: str) -> None:
    """The job ends a long query, an open transaction and an advisory lock, but no idle session and no other role's."""
    longest = timedelta(seconds=1)
    idle, collector = as_role(dsn), psycopg.connect(dsn)
    collector.execute("SELECT 1")  # a transaction of ours, open
    left_open, locking, sleeping = (as_role(dsn) for _ in range(3))
    locking.execute("SELECT pg_advisory_lock(1)")
    left_open.execute("BEGIN")
    left_open.execute("SELECT count(*) FROM mail_events")
    for setting in UNDO[:2]:
        sleeping.execute(setting.encode())
    ends: list[psycopg.Error] = []

    def sleep() -> None:
        try:
            sleeping.execute("SELECT pg_sleep(300)")
        except psycopg.Error as error:
            ends.append(error)

    thread = threading.Thread(target=sleep)
    thread.start()
    with psycopg.connect(dsn, autocommit=True) as jobs:
        first = end_long_queries(jobs, timedelta(minutes=5))
        assert first == 1  # the lock, at once

        def look() -> bool:
            end_long_queries(jobs, longest)
            return not thread.is_alive()

        wait_until(look, "the one that sleeps has ended")
    thread.join(20)
    assert [type(error) for error in ends] == [pg.AdminShutdown]
    for connection in (left_open, locking):
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    idle.execute("SELECT 1")
    collector.execute("SELECT 1")
    for connection in (idle, collector, left_open, locking, sleeping):
        connection.close()


def test_the_job_ends_queries_and_completes_grants(dsn: str) -> None:
    """The job works in autocommit mode, in which jobs run."""
    with psycopg.connect(dsn, autocommit=True) as connection, as_role(dsn) as viewer:
        connection.execute("REVOKE SELECT ON mail_events FROM duckwatch_reader")
        viewer.execute("BEGIN")
        viewer.execute("SELECT 1")
        job = ReaderQueries(timedelta(0))
        now = connection.execute("SELECT now()").fetchone()
        assert now is not None
        job.run(connection, now[0], lambda: False)
        with pytest.raises(psycopg.OperationalError):
            viewer.execute("SELECT 1")
    with as_role(dsn) as again:
        again.execute("SELECT count(*) FROM mail_events")


def test_a_running_collector_ends_long_queries(dsn: str, tmp_path: Path, server_logs: Path) -> None:
    """A running collector ends long queries, whatever the viewer has set."""
    collector = Collector(tmp_path, server_logs, dsn, {"database": {"dsn": dsn, "reader_timeout": "1s"}})
    collector.start()
    viewer = as_role(dsn)
    viewer.execute("SET statement_timeout = 0")
    with pytest.raises(pg.AdminShutdown):
        viewer.execute("SELECT pg_sleep(120)")
    viewer.close()
    collector.stop()


def test_where_roles_may_not_be_made_all_else_goes_on(
    cluster: PostgresCluster, tmp_path: Path, server_logs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """If roles cannot be made, the collector starts and names the missing role, and completes it once it exists."""
    dsn = owned(cluster, "")
    collector = Collector(tmp_path, server_logs, dsn)
    collector.start()
    assert collector.send([{"time": int(time.time() * 1000), "entry": {"action": "QUEUED", "id": "1"}}]) == 202
    wait_until(lambda: collector.total("duckwatch_mail_events_total") == 1, "it is stored")
    assert '"kind": "missing"' in collector.log.read_text()
    collector.stop()
    with psycopg.connect(dsn) as connection:
        assert complete_reader_role(connection) == [ReaderFault.MISSING]
        with psycopg.connect(cluster.dsn("mail"), autocommit=True) as administrator:
            administrator.execute("CREATE ROLE duckwatch_reader LOGIN CONNECTION LIMIT 20")
            assert complete_reader_role(connection) == [ReaderFault.SIGNAL]
            administrator.execute("GRANT duckwatch_reader TO duckwatch")
        assert complete_reader_role(connection) == []
    with as_role(dsn) as viewer:
        viewer.execute("SELECT count(*) FROM mail_events")
        with pytest.raises(pg.InsufficientPrivilege):
            viewer.execute("CREATE TEMPORARY TABLE t (x int)")
    assert all(fault.advice for fault in ReaderFault)


def test_an_owner_who_may_make_roles_is_enough(cluster: PostgresCluster) -> None:
    """An owner with CREATEROLE, not a superuser, can make the role and end its queries."""
    dsn = owned(cluster, "CREATEROLE")
    ready(dsn)
    with as_role(dsn) as viewer, psycopg.connect(dsn, autocommit=True) as connection:
        viewer.execute("BEGIN")
        viewer.execute("SELECT 1 FROM mail_events")
        assert end_long_queries(connection, timedelta(0)) == 1
        with pytest.raises(psycopg.OperationalError):
            viewer.execute("SELECT 1")


def test_who_writes_keeps_temporary_tables(cluster: PostgresCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector's role that does not migrate may still make temporary tables, which merging needs."""
    dsn = owned(cluster, "CREATEROLE")
    everything = migrations.shipped()
    with psycopg.connect(dsn) as connection:
        monkeypatch.setattr(migrations, "shipped", lambda: everything[:1])
        migrate(connection)
        connection.execute("CREATE ROLE writer LOGIN")
        connection.execute("GRANT SELECT, INSERT ON mail_events TO writer")
        connection.commit()
        monkeypatch.setattr(migrations, "shipped", lambda: everything)
        migrate(connection)
        assert reader_role.complete_reader_role(connection) == []
    with as_role(dsn, "writer") as connection:
        connection.execute("CREATE TEMPORARY TABLE incoming (LIKE mail_events)")
