"""Secrets that are changed while a collector runs: some are used at once, the log names the others."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.process import wait_until

FIRST, SECOND = "fir5t@/%pass", "sec0nd#?pass"


def said(log: Path, message: str) -> list[str]:
    """Return the keys that the log names with this message."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    return [line["fields"]["keys"] for line in lines if line["message"] == message]


@pytest.mark.servers
def test_a_rotated_dsn_file_is_taken_without_a_restart(tmp_path: Path, server_logs: Path) -> None:
    """A new password in `dsn_file` is used without a restart, and the log names a secret that needs one."""
    cluster = need(lambda: EmbeddedPostgres(server_logs))
    collector = None
    try:
        cluster.initialise()
        cluster.start()
        admin = psycopg.connect(cluster.dsn(), autocommit=True)
        with admin:
            admin.execute(f"CREATE ROLE duckwatch LOGIN PASSWORD '{FIRST}'")
            admin.execute("CREATE DATABASE duckwatch OWNER duckwatch")
            hba = Path(admin.execute("SHOW hba_file").fetchall()[0][0])
            rules = hba.read_text(encoding="utf-8")
            hba.write_text(f"host all duckwatch 127.0.0.1/32 scram-sha-256\n{rules}", encoding="utf-8")
            admin.execute("SELECT pg_reload_conf()")
            dsn_file, secret_file = tmp_path / "dsn", tmp_path / "secret"

            def write(password: str) -> None:
                fresh = tmp_path / "fresh"
                text = conninfo.make_conninfo(cluster.dsn("duckwatch"), user="duckwatch", password=password)
                fresh.write_text(text, encoding="utf-8")
                fresh.rename(dsn_file)

            write(FIRST)
            secret_file.write_text("first", encoding="utf-8")
            settings = {
                "database": {"dsn_file": str(dsn_file)},
                "privacy": {"subject": "hmac", "secret_file": str(secret_file)},
            }
            collector = Collector(tmp_path / "collector", server_logs, "", settings)
            log = server_logs / f"collector-{collector.port}.log"
            collector.start()
            wait_until(lambda: not collector.trouble(), "the database is written to")
            admin.execute(f"ALTER ROLE duckwatch PASSWORD '{SECOND}'")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'duckwatch'")
            entry = {"id": "rotated", "seq": "001", "action": "ACCEPTED", "from": "a@ex.org", "to": "b@ex.net"}
            assert collector.send([{"time": time.time_ns() // 1_000_000, "entry": entry}]) == 202
            wait_until(lambda: "database" in collector.trouble(), "the old password is refused")
            write(SECOND)
            wait_until(lambda: not collector.trouble(), "the new password is taken")
            with psycopg.connect(cluster.dsn("duckwatch")) as reader:
                assert reader.execute("SELECT count(*) FROM mail_events").fetchall() == [(1,)]
            assert said(log, "renewed") == ["collector.database.dsn"]
            secret_file.write_text("second", encoding="utf-8")
            waiting = "changed, and in force only after a restart"
            wait_until(lambda: said(log, waiting) == ["collector.privacy.secret"], "the log says what waits")
            assert said(log, "renewed") == ["collector.database.dsn"]
            collector.stop()
        text = log.read_text(encoding="utf-8")
        assert not any(part in text for part in ("fir5t", "sec0nd", 'pass"'))
    finally:
        if collector is not None:
            collector.stop()
        cluster.remove()
