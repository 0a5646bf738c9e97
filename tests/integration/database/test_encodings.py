"""A database in another encoding than UTF8: events that it cannot hold become dead letters, and none is lost."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo, sql

from collector.config import CollectorSettings as Section
from collector.operations.doctor.database import reachable
from collector.operations.doctor.installation import Installation
from tests.servers.collector import Collector
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.servers

NAME = "鴨\U0001f986@x.example"


@pytest.fixture
def latin1_dsn(postgres: PostgresCluster, postgres_dsn: str) -> Iterator[str]:
    """Yield a database in LATIN1, as an old cluster may have it."""
    dsn = conninfo.make_conninfo(postgres_dsn, dbname=f"{conninfo.conninfo_to_dict(postgres_dsn)['dbname']}_latin1")
    name = sql.Identifier(str(conninfo.conninfo_to_dict(dsn)["dbname"]))
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'").format(name))
    yield dsn
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_what_the_database_cannot_hold_is_set_aside(latin1_dsn: str, tmp_path: Path) -> None:
    """Events that the encoding cannot hold become dead letters, which are written in ASCII and read back unchanged."""
    collector = Collector(tmp_path, tmp_path, latin1_dsn)
    collector.start()
    now = int(time.time() * 1000)
    sent = [("good", now, "Jürgen@x.example"), ("bad", now, NAME), ("old", 1, NAME), ("fine", now, "a@x.example")]
    entries = [{"time": at, "entry": {"id": name, "action": "QUEUED", "to": to}} for name, at, to in sent]
    assert collector.send(entries) == 202
    wait_until(lambda: collector.total("duckwatch_journal_requests") == 0, "all is written")
    with psycopg.connect(latin1_dsn, client_encoding="utf8") as connection:
        rows = connection.execute("SELECT queue_id, recipient FROM mail_events ORDER BY 1").fetchall()
        letters = connection.execute("SELECT reason, raw FROM dead_letters ORDER BY 1").fetchall()
    collector.stop()
    assert rows == [("fine", "a@x.example"), ("good", "Jürgen@x.example")]
    assert [reason for reason, _ in letters] == ["bad_row", "time_too_old"]
    assert json.loads(letters[0][1])["recipient"] == json.loads(letters[1][1])["entry"]["to"] == NAME


def test_doctor_says_so(latin1_dsn: str) -> None:
    """`doctor` reports the encoding before the first such event."""
    section = Section.model_validate({"database": {"dsn": latin1_dsn}})
    with contextlib.closing(Installation(section, None)) as patient:
        (found,) = reachable(patient)
    assert (found.status, "is in LATIN1" in found.what) == ("warning", True)
