"""Canaries planted in every input of a collector appear in no output, also not in errors of every kind."""

from __future__ import annotations

import base64
import hmac
import json
import os
import signal
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import psycopg
import pytest
import yaml
from psycopg import conninfo

from collector.__main__ import main
from collector.events.privacy.hiding import KEPT
from tests import canaries
from tests.canaries import CANARY, HMAC_SECRET
from tests.oracle.gelf import mail_message
from tests.oracle.reports import WHOLE, report
from tests.servers.collector import Collector
from tests.servers.gelf import send_datagrams
from tests.servers.process import free_port, wait_until
from tests.unit.events.entries import ACCEPTED, QUEUED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PERSON = f"{CANARY}@x.example"
SECRET = "hunter2-of-the-tests"
"""A secret that is stored nowhere, with any settings."""

UDP_PORT = free_port()
SECRETS: dict[str, Any] = {
    "gelf": {"udp": f"127.0.0.1:{UDP_PORT}"},
    "auth": {"tokens": [{"token": f"{CANARY}-token"}], "hmac_secrets": [HMAC_SECRET]},
    "privacy": {"subject": "hmac", "secret": f"{CANARY}-of-enough-characters"},
}


def planted(fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an entry with a canary in every text, but for those that decide its kind and for words
    of the mail system.
    """
    kept = {"action", "id", "seq", "zone", "mx", "ip", "host", "protocol", "tlsVersion"}
    texts = [key for key, value in fields.items() if isinstance(value, str) and key not in kept]
    hidden = {key: f"<{PERSON}>" if key in KEPT else f"{PERSON} {CANARY}" for key in texts}
    addresses = dict.fromkeys(("from", "to", "returnPath", "user"), PERSON)
    return fields | hidden | addresses | {"subject": CANARY, "note": {"deep": [CANARY]}, **more}


def events() -> list[dict[str, Any]]:
    """Return good events, bad ones, one that the database refuses, and one that the slow reader must read."""
    now = int(time.time() * 1000)
    entries: list[Any] = [
        planted(ACCEPTED, response=f"250 2.0.0 {CANARY}"),
        planted(ACCEPTED, seq="002", action="REJECTED", response=f"550 5.1.1 <{PERSON}>: {CANARY}"),
        planted(ACCEPTED, seq="003", action="DEFERRED", response=f"421 {CANARY}", defcount=1),
        planted(QUEUED),
        planted(ACCEPTED, seq="004", category="poison"),
        planted(ACCEPTED, seq="005", timer="soon", note=[1, {"x": CANARY}]),
        {"action": f"{PERSON}", "id": "x"},
        {"action": None, "to": PERSON},
        CANARY,
    ]
    return [
        {"time": now + n, "context": PERSON, "extra": CANARY, "entry": entry} for n, entry in enumerate(entries)
    ] + [
        {"entry": planted(QUEUED)},
        {"time": now + 10**10, "entry": planted(QUEUED)},
    ]


def signed(body: bytes, key: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    made = hmac.digest(key, f"{CANARY}.{stamp}.".encode() + body, "sha256")
    return {
        "webhook-id": CANARY,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
    }


class CanaryCollector:
    """A collector whose every input has canaries. Every answer is searched."""

    def __init__(self, collector: Collector, dsn: str, folder: Path) -> None:
        self.collector, self.dsn, self.folder = collector, dsn, folder

    def send(self, body: bytes) -> int:
        token = base64.b64encode(f"{CANARY}:{CANARY}-token".encode()).decode()
        return self.ask(body, {"Authorization": f"Basic {token}", "User-Agent": CANARY})

    def ask(self, body: bytes | None, headers: dict[str, str], path: str = "/api/events/ingest") -> int:
        answer = self.collector.ask(path, body, headers)
        assert canaries.leaks_in(answer.body) == []
        return answer.status

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def count(self, table: str) -> int:
        with psycopg.connect(self.dsn) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        return 0 if row is None else int(row[0])

    def everything(self) -> str:
        with psycopg.connect(self.dsn) as connection:
            return "".join(
                str(connection.execute(f"SELECT array_agg(t::text) FROM {table} t".encode()).fetchall())
                for table in (
                    "mail_events",
                    "dead_letters",
                    "plugin_reports",
                    "held_events",
                    "audit_events",
                    "auth_events",
                )
            )


@contextmanager
def running(folder: Path, dsn: str, **more: Any) -> Iterator[CanaryCollector]:
    """Yield a collector with canaries in its settings, also in the database's password."""
    settings = {key: value | more.get(key, {}) for key, value in SECRETS.items()}
    collector = Collector(folder, folder, conninfo.make_conninfo(dsn, password=f"{CANARY}-password"), settings)
    collector.start()
    made = CanaryCollector(collector, dsn, folder)
    wait_until(lambda: collector.trouble() == {}, "it writes")
    made.execute("ALTER TABLE mail_events ADD CONSTRAINT bad CHECK (category IS DISTINCT FROM 'poison')")
    try:
        yield made
    finally:
        collector.stop()
    assert canaries.leaks_in(collector.log.read_bytes()) == []


def suffer(made: CanaryCollector) -> None:
    """Cause errors: bad requests, wrong credentials, a missing table, wrong settings."""
    body = json.dumps({"plugin": {"process": "p1", "version": "1.2.3"}, "host": "mta1", "events": events()}).encode()
    assert made.send(body) == 202
    key = base64.b64decode(HMAC_SECRET.removeprefix("whsec_"))
    assert made.ask(body, signed(body, key)) == 202
    assert made.ask(body, signed(body, b"another")) == 401
    assert made.ask(body, {"Authorization": f"Bearer {CANARY}"}) == 401
    assert made.send(f'{{"{PERSON}": {CANARY}'.encode()) == 400
    assert made.ask(body, {"Content-Encoding": CANARY, "Authorization": f"Bearer {CANARY}-token"}) == 415
    assert made.ask(None, {}, f"/{CANARY}?token={CANARY}-token") == 404
    with socket.create_connection(("127.0.0.1", made.collector.port), timeout=20) as line:
        line.sendall(f"{CANARY} {PERSON} HTTP/9\r\n{CANARY}\r\n\r\n".encode())
        assert canaries.leaks_in(line.recv(65536)) == []
    tell_by_the_backup_roads(made)
    tell_of_inbound_mail(made)
    made.execute("ALTER TABLE mail_events RENAME TO away")
    assert made.send(json.dumps(events()).encode()) == 202
    wait_until(lambda: made.collector.total("duckwatch_store_errors_total") > 0, "the table is missed")


def tell_by_the_backup_roads(made: CanaryCollector) -> None:
    """Send good and bad bounces and GELF messages, with a canary in every field that can hold one."""
    bounce = {"id": "q1", "seq": "001", "to": PERSON, "returnPath": PERSON, "response": f"550 <{PERSON}>: {CANARY}"}
    token = {"Authorization": f"Bearer {CANARY}-token"}
    form = urlencode(bounce | {"fbl": CANARY, "sessionId": CANARY, CANARY: CANARY}).encode()
    assert made.ask(form, token, "/api/events/bounce") == 202
    assert made.ask(form.replace(b"id=q1", b"id="), token, "/api/events/bounce") == 400
    entry = planted(ACCEPTED, id="q2", action="REJECTED", response=f"550 <{PERSON}>: {CANARY}", subject=CANARY)
    message = mail_message(entry, int(time.time() * 1000), host="mta1")
    assert message is not None
    text = json.dumps(message | {f"_{CANARY}": PERSON, "_subject": CANARY}).encode()
    late = json.dumps(message | {"timestamp": time.time() + 10**6}).encode()
    send_datagrams(UDP_PORT, [text, late, text[:-1], f'{{"a":"{PERSON}"}}'.encode(), b"\x1e\x0f" + CANARY.encode()])
    wait_until(lambda: made.collector.total("duckwatch_gelf_messages_total") == 5, "all have come")


def tell_of_inbound_mail(made: CanaryCollector) -> None:
    """Send good and bad webhooks and a complaint in the same way."""
    token = {"Authorization": f"Bearer {CANARY}-token"}
    now = int(time.time() * 1000)
    people = {"from": {"address": PERSON, "name": CANARY}, "to": [{"address": PERSON}], "messageId": CANARY}
    told = {"time": now, "user": CANARY, "mailbox": CANARY, "message": 1, "subject": CANARY, **people}
    created = {"ev": "user.created", "username": CANARY, "address": PERSON, "name": CANARY, "description": CANARY}
    forward = {"ev": "forward added", "target": f"smtp://{CANARY}:{CANARY}@h.example/{CANARY}", "password": SECRET}
    for body in (told | {"ev": "marked.spam"}, {"time": now} | created, {"time": now} | forward, told, {"ev": PERSON}):
        assert made.ask(json.dumps(body).encode(), token, "/api/events/wildduck") == 202
    assert made.ask(f'{{"{CANARY}"'.encode(), token, "/api/events/wildduck") == 400
    fields = WHOLE.replace("ok@corp.example", PERSON).replace("bounce+1@shop.example", PERSON)
    original = f"Message-ID: <{CANARY}>\nX-FBL: {CANARY}\nSubject: {CANARY}\n\n{SECRET}\n"
    stamp = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    assert made.ask(report(fields, original=original, date=stamp), token, "/api/events/arf") == 202
    assert made.ask(CANARY.encode(), token, "/api/events/arf") == 400
    login = {
        "_auth_result": "fail",
        "_username": CANARY,
        "_user": PERSON,
        "_ip": CANARY,
        "_sess": CANARY,
        "_scope": "imap",
    }
    send_datagrams(UDP_PORT, [json.dumps(login | {"version": "1.1", "timestamp": time.time()}).encode()])
    wait_until(lambda: made.collector.total("duckwatch_gelf_messages_total") == 6, "it has come")


def renew_badly(collector: Collector) -> None:
    """Write an invalid YAML file with canaries, and send SIGHUP."""
    good = collector.config.read_text(encoding="utf-8")
    bad = {
        "collector": {
            "auth": {"tokens": [{CANARY: CANARY}], "hmac_secrets": [f"whsec_{CANARY}"]},
            "public_ips": {CANARY: "192.0.2.1"},
        }
    }
    collector.config.write_text(yaml.safe_dump(bad), encoding="utf-8")
    _signal(collector)
    wait_until(lambda: collector.total("duckwatch_config_last_reload_successful") == 0, "it was refused")
    collector.config.write_text(good, encoding="utf-8")
    _signal(collector)
    wait_until(lambda: collector.total("duckwatch_config_last_reload_successful") == 1, "it was taken")


def _signal(collector: Collector) -> None:
    os.kill(collector.pid, signal.SIGHUP)


COMMANDS: dict[str, int] = {
    "doctor": 1,
    "doctor --json": 1,
    "check-config": 0,
    "migrate": 0,
    "migrate --dry-run": 0,
    "migrate --status": 0,
    "dead-letters list": 0,
    "dead-letters retry --reason unread": 1,
    "dead-letters drop no-such-id": 1,
    f"subject forget {PERSON}": 0,
    f"subject forget {CANARY}:{CANARY}": 1,
}
"""Commands with their exit codes. `doctor` finds that the tests' server has no fsync.

`dead-letters show`, `subject export` and `pseudonym` show content on purpose.
"""


def command(path: Path, words: str, capsys: pytest.CaptureFixture[str]) -> int:
    """Run a command and have its output searched. Return the exit code."""
    capsys.readouterr()
    code = main(["--config", str(path), *words.split()])
    printed = capsys.readouterr()
    assert printed.out + printed.err
    assert (words, canaries.leaks_in((printed.out + printed.err).encode())) == (words, [])
    return code


def test_no_canary_comes_out_of_a_collector(
    postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No canary appears in log, metrics, answers or command output; the events are in the table or the dead letters."""
    with running(tmp_path, postgres_dsn) as made:
        suffer(made)
        renew_badly(made.collector)
        made.execute("ALTER TABLE away RENAME TO mail_events")
        wait_until(lambda: not made.collector.total("duckwatch_journal_requests"), "all is written", seconds=60)
        assert made.count("mail_events") > 10
        assert made.count("dead_letters") > 10
        assert made.count("held_events") == 2
        assert (made.count("audit_events"), made.count("auth_events")) == (3, 1)
        assert SECRET not in made.everything()
        assert CANARY in made.everything()
        config = made.collector.config
        assert {words: command(config, words, capsys) for words in COMMANDS} == COMMANDS


WRONG = {
    "database": {"dsn": f"postgresql://{CANARY}:{CANARY}@127.0.0.1:{free_port()}/d?{CANARY}={CANARY}"},
    "auth": {"tokens": [{f"{CANARY} x": CANARY}, {"token": f"{CANARY} x"}], "hmac_secrets": [CANARY]},
    "privacy": {"subject": PERSON, "secret": [CANARY]},
    "mongo": [{"uri": f"mongodb://u:{CANARY}@h:port:{CANARY}/"}],
}
AWAY = {
    "database": {"dsn": f"postgresql://{PERSON.replace('@', '%40')}:{CANARY}@127.0.0.1:{free_port()}/d"},
    "mongo": [{"uri": f"mongodb://u:{CANARY}@127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=100"}],
}


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        (WRONG, {"serve": 2, "check-config": 2, "doctor": 2}),
        (AWAY, {"doctor": 1, "migrate": 1, "dead-letters list": 1, f"subject forget {PERSON}": 1}),
    ],
    ids=["wrong", "away"],
)
def test_no_canary_comes_out_of_a_command_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, Any], codes: dict[str, int]
) -> None:
    """A failing command names a wrong setting by its key, and an unreachable server without its address."""
    path = tmp_path / "duckwatch.yml"
    path.write_text(yaml.safe_dump({"collector": settings}), encoding="utf-8")
    assert {words: command(path, words, capsys) for words in codes} == codes


def test_with_pseudonyms_no_canary_is_kept_either(postgres_dsn: str, tmp_path: Path) -> None:
    """With pseudonyms no canary is in a table, a dead letter, or the journal's file."""
    with running(tmp_path, postgres_dsn, privacy={"pseudonymise": True}) as made:
        suffer(made)
        waiting = b"".join(path.read_bytes() for path in tmp_path.glob("journal*"))
        assert b"p-" in waiting
        assert CANARY.encode() not in waiting
        made.execute("ALTER TABLE away RENAME TO mail_events")
        wait_until(lambda: not made.collector.total("duckwatch_journal_requests"), "all is written", seconds=60)
        assert made.count("mail_events") > 10
        assert made.count("dead_letters") > 10
        assert made.count("held_events") == 2
        assert (made.count("audit_events"), made.count("auth_events")) == (3, 1)
        assert SECRET not in made.everything()
        assert CANARY not in made.everything()


@pytest.mark.parametrize(
    "leak",
    [CANARY, canaries.TOKEN, HMAC_SECRET, "to jane@x.example:", "Your order #2", "450 4.2.1 The user you are trying"],
)
def test_a_leak_would_be_found(leak: str) -> None:
    """The search finds a planted leak."""
    recorded = next((word for word in canaries.forbidden() if word.startswith(leak)), leak)
    assert canaries.leaks_in(f'{{"message": "{recorded}"}}'.encode())
    assert canaries.leaks_in(b'{"message": "serving", "at": "server.py:12"}') == []
