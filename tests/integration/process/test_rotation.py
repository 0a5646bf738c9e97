"""Secrets that are changed while a collector runs: some are used at once, the log names the others."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg import conninfo

from tests import canaries
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
            assert said(log, "settings were renewed") == ["collector.database.dsn"]
            secret_file.write_text("second", encoding="utf-8")
            waiting = "changed settings come into force at a restart only"
            wait_until(lambda: said(log, waiting) == ["collector.privacy.secret"], "the log says what waits")
            assert said(log, "settings were renewed") == ["collector.database.dsn"]
            collector.stop()
        text = log.read_text(encoding="utf-8")
        assert not any(part in text for part in ("fir5t", "sec0nd", 'pass"'))
    finally:
        if collector is not None:
            collector.stop()
        cluster.remove()


class Sender:
    """Posts an event at a time with the token that a file holds, as the plugin does, until it is stopped."""

    def __init__(self, collector: Collector, token_file: Path) -> None:
        self.statuses: dict[str, set[int]] = {}
        self._collector, self._token_file = collector, token_file
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def has_used(self, token: str) -> bool:
        """Return True when the collector has answered a request with this token."""
        return token in self.statuses

    def stop(self) -> None:
        """End it, and wait for its last answer."""
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        while not self._over.wait(0.01):
            token = self._token_file.read_text(encoding="utf-8").strip()
            entry = {"id": "rotated", "seq": "001", "action": "ACCEPTED", "from": "a@ex.org", "to": "b@ex.net"}
            body = json.dumps([{"time": time.time_ns() // 1_000_000, "entry": entry}]).encode()
            answer = self._collector.ask("/api/events/ingest", body, {"Authorization": f"Bearer {token}"})
            self.statuses.setdefault(token, set()).add(answer.status)


@pytest.mark.servers
def test_a_token_is_replaced_without_a_refused_request(tmp_path: Path, server_logs: Path, postgres_dsn: str) -> None:
    """docs/rotation.md, "Without a gap": the new token beside the old one, the sender, then without the old one."""
    old, new = canaries.TOKEN, f"{canaries.TOKEN}-new"
    collector = Collector(tmp_path / "collector", server_logs, postgres_dsn)
    written = yaml.safe_load(collector.config.read_text(encoding="utf-8"))
    (of_the_old,) = written["collector"]["auth"]["tokens"]
    new_file, senders_file = tmp_path / "new", tmp_path / "senders"
    new_file.write_text(new, encoding="utf-8")
    senders_file.write_text(old, encoding="utf-8")
    of_the_new = {"token_file": str(new_file), "cluster": "eu1"}

    def take(*tokens: dict[str, str]) -> None:
        written["collector"]["auth"]["tokens"] = list(tokens)
        collector.config.write_text(yaml.safe_dump(written), encoding="utf-8")
        renewals = len(said(collector.log, "settings were renewed"))
        os.kill(collector.pid, signal.SIGHUP)
        wait_until(lambda: len(said(collector.log, "settings were renewed")) > renewals, "the tokens are in force")

    collector.start()
    sender = Sender(collector, senders_file)
    try:
        wait_until(lambda: sender.has_used(old), "the old token is used")
        take(of_the_old, of_the_new)
        (tmp_path / "fresh").write_text(new, encoding="utf-8")
        (tmp_path / "fresh").rename(senders_file)
        wait_until(lambda: sender.has_used(new), "the new token is used")
        take(of_the_new)
        assert collector.send([]) == 401, "the old token is still taken"
    finally:
        sender.stop()
        collector.stop()
    assert sender.statuses == {old: {202}, new: {202}}
