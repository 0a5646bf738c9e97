"""A server with German messages: a failed connection is named by SQLSTATE and by libpq's status, not by the text."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo

from collector.errors import StoreUnavailableError
from collector.store.database.connection import connect
from tests.servers.fixtures import need
from tests.servers.timescale import Timescale

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

LANGUAGE = "de_DE.UTF-8"


@pytest.fixture(scope="module")
def dsn(server_logs: Path) -> Iterator[str]:
    """Yield a database of a server with German messages. Its locale is compiled into the cluster's folder."""
    cluster = need(lambda: Timescale(server_logs, {"lc_messages": LANGUAGE}))
    try:
        locales = Path(cluster.data).parent / "locales"
        compile_it = f"mkdir {locales} && localedef -i de_DE -f UTF-8 {locales}/{LANGUAGE}"
        subprocess.run([*cluster.entrance, "sh", "-c", compile_it], check=True, capture_output=True)
        cluster.initialise()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LOCPATH", str(locales))
            cluster.start()
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            for statement in (
                "CREATE ROLE has_password LOGIN PASSWORD 'right'",
                "CREATE ROLE has_no_login",
                "CREATE ROLE has_no_connection LOGIN CONNECTION LIMIT 0",
                "CREATE DATABASE closed",
                "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
                "CREATE ROLE plain LOGIN",
            ):
                connection.execute(statement.encode())
            rules = connection.execute("SHOW hba_file").fetchone()
            assert rules is not None
        cluster.edit(rules[0], "host all has_password 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")
        yield cluster.dsn()
    finally:
        cluster.remove()


def test_the_server_speaks_german(dsn: str) -> None:
    """The server's messages are German, which the tests below need."""
    with pytest.raises(psycopg.OperationalError, match="existiert nicht"):
        psycopg.connect(conninfo.make_conninfo(dsn, dbname="nowhere"))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"dbname": "nowhere"}, "missing_database (3D000)"),
        ({"user": "nobody_of_that_name"}, "authentication (28000)"),
        ({"user": "has_no_login"}, "authentication (28000)"),
        ({"user": "has_password", "password": "wrong"}, "authentication (28P01)"),
        ({"user": "has_password"}, "authentication"),
        ({"user": "has_no_connection"}, "resources (53300)"),
        ({"user": "plain", "dbname": "closed"}, "permission (42501)"),
        ({"options": "-c default_transaction_read_only=on", "target_session_attrs": "read-write"}, "read_only"),
        ({"port": "1"}, "connection"),
    ],
)
def test_each_fault_of_a_connection_has_its_word(dsn: str, change: dict[str, str], word: str) -> None:
    """Each fault of a connection has the same kind as with English messages."""
    with pytest.raises(StoreUnavailableError) as caught:
        connect(conninfo.make_conninfo(dsn, **change))
    assert caught.value.word == word


def test_of_several_hosts_the_one_that_answers_is_named(dsn: str) -> None:
    """Of two hosts, one unreachable and one refusing, the refusal is reported: the operator can fix it."""
    known = conninfo.conninfo_to_dict(dsn)
    both = conninfo.make_conninfo(
        dsn, host="127.0.0.1,127.0.0.1", port=f"{known['port']},1", dbname="nowhere", connect_timeout=3
    )
    with pytest.raises(StoreUnavailableError) as caught:
        connect(both)
    assert caught.value.word == "missing_database (3D000)"


def test_no_word_of_the_server_is_carried_on(dsn: str) -> None:
    """The error holds only the code, not the role or the database of the server's message."""
    with pytest.raises(StoreUnavailableError) as caught:
        connect(conninfo.make_conninfo(dsn, dbname="nowhere"))
    assert str(caught.value) == "SQLSTATE 3D000"
