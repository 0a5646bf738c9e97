"""A database in another encoding than UTF8: events that it cannot hold become dead letters, and none is lost."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import conninfo, sql

from collector.__main__ import main
from collector.config import CollectorSettings as Section
from collector.events.border.decoding import Border
from collector.events.model.batch import DeadLetter
from collector.events.model.event import MailEvent, RejectReason, Source
from collector.feeds.mongo import QueueReader
from collector.operations.doctor.database import reachable
from collector.operations.doctor.installation import Installation
from collector.pipeline.letters import row_of
from tests.integration.house import House
from tests.integration.sources.following import FeedUnderTest
from tests.integration.sources.zonemta_queue import Mail
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.process import wait_until
from tests.servers.secantus import Secantus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.servers

CODECS = {"LATIN1": "latin-1", "EUC_JP": "euc_jp", "SQL_ASCII": "utf-8"}
"""PostgreSQL's encodings, and Python's codecs that hold the same characters of the texts below."""

TEXTS = ("Jürgen", "Привет", "日本語", "duck \U0001f986", "a\x01\x7f\\u041f\\", "a\0b", "\ud83e x", "broken \ufffd")
NAME = "鴨\U0001f986@x.example"


def made_in(cluster: PostgresCluster, dsn: str, encoding: str) -> Iterator[str]:
    """Yield a new database in this encoding."""
    other = conninfo.make_conninfo(dsn, dbname=f"{conninfo.conninfo_to_dict(dsn)['dbname']}_{encoding.lower()}")
    name = sql.Identifier(str(conninfo.conninfo_to_dict(other)["dbname"]))
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        made = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'")
        connection.execute(made.format(name, sql.Literal(encoding)))
    yield other
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def latin1_dsn(postgres: PostgresCluster, postgres_dsn: str) -> Iterator[str]:
    """Yield a database in LATIN1, as an old cluster may have it."""
    yield from made_in(postgres, postgres_dsn, "LATIN1")


@pytest.fixture(params=CODECS)
def encoded(request: pytest.FixtureRequest, postgres: PostgresCluster, postgres_dsn: str) -> Iterator[tuple[str, str]]:
    """Yield a database in another encoding, and the name of Python's codec."""
    for dsn in made_in(postgres, postgres_dsn, request.param):
        yield dsn, CODECS[request.param]


def is_held(text: str, codec: str) -> bool:
    """Return True if the encoding has every character of a text, as the collector stores it."""
    try:
        text.replace("\0", "\ufffd").replace("\ud83e", "\ufffd").encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def entries() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return events with each text in each place, by their queue id: the text, and the event."""
    made: dict[str, tuple[str, dict[str, Any]]] = {}
    for number, text in enumerate(TEXTS):
        places: dict[str, dict[str, Any]] = {
            "reply": {"action": "REJECTED", "to": "b@x.example", "response": f"550 5.1.1 {text}"},
            "person": {"action": "QUEUED", "to": f"{text}@x.example", "from": f"{text}@y.example"},
            "zone": {"action": "QUEUED", "to": "b@x.example", "zone": text, "interface": text},
            "document": {"action": "QUEUED", "to": "b@x.example", "extra": {text: [text]}},
        }
        now = int(time.time() * 1000)
        for place, entry in places.items():
            made[f"{place}{number}"] = text, {"time": now, "entry": {"id": f"{place}{number}", **entry}}
        made[f"host{number}"] = (
            text,
            {"time": now, "host": text, "entry": {"id": f"host{number}", "action": "QUEUED", "to": "b@x.example"}},
        )
    return made


def test_each_event_is_stored_or_set_aside(encoded: tuple[str, str], tmp_path: Path) -> None:
    """What the encoding holds is stored; the rest is in a dead letter, whole. The batch is refused once, not for each
    such event, and a heartbeat is stored under an escaped name.
    """
    dsn, codec = encoded
    collector = Collector(tmp_path, tmp_path, dsn)
    collector.start()
    sent = entries()
    assert collector.send([event for _, event in sent.values()]) == 202
    heartbeat = {"version": "1", "process": "p", "contexts": [], "spool_bytes": 7, "oldest_unsent": None, "dropped": 0}
    beat = json.dumps({"host": NAME, "plugin": heartbeat, "events": []}).encode()
    assert collector.ask("/api/events/ingest", beat, {"Authorization": f"Bearer {collector.token}"}).status == 202
    wait_until(lambda: collector.total("duckwatch_journal_requests") == 0, "all is written")
    refused = collector.metrics().get("duckwatch_store_errors_total", {})
    collector.stop()
    with psycopg.connect(dsn, client_encoding="utf8") as connection:
        stored = {row[0] for row in connection.execute("SELECT queue_id FROM mail_events")}
        raws = [row[0] for row in connection.execute("SELECT raw FROM dead_letters WHERE reason = 'bad_row'")]
        beats = connection.execute("SELECT host, spool_bytes FROM plugin_reports").fetchall()
        (longest,) = connection.execute("SELECT max(recipient) FROM mail_events WHERE queue_id = 'person0'").fetchall()
    letters = [row_of(DeadLetter("", 0, "", Source.PLUGIN, RejectReason.BAD_ROW, "", raw)) for raw in raws]
    assert all(isinstance(one, MailEvent) for one in letters)
    assert stored == {name for name, (text, _) in sent.items() if is_held(text, codec)}
    assert {str(getattr(one, "queue_id", "")) for one in letters} == sent.keys() - stored
    assert sum(refused.values()) <= 2
    assert longest == ("Jürgen@x.example",)
    assert beats == [(NAME if codec == "utf-8" else r"\u9d28\ud83e\udd86@x.example", 7)] or codec == "euc_jp"
    assert [spool for _, spool in beats] == [7]


def test_what_the_database_cannot_hold_is_set_aside(latin1_dsn: str, tmp_path: Path) -> None:
    """Dead letters are written in ASCII and read back unchanged, also those of events that were rejected before."""
    collector = Collector(tmp_path, tmp_path, latin1_dsn)
    collector.start()
    now = int(time.time() * 1000)
    sent = [("good", now, "Jürgen@x.example"), ("bad", now, NAME), ("old", 1, NAME), ("fine", now, "a@x.example")]
    assert (
        collector.send([{"time": at, "entry": {"id": name, "action": "QUEUED", "to": to}} for name, at, to in sent])
        == 202
    )
    wait_until(lambda: collector.total("duckwatch_journal_requests") == 0, "all is written")
    with psycopg.connect(latin1_dsn, client_encoding="utf8") as connection:
        rows = connection.execute("SELECT queue_id, recipient FROM mail_events ORDER BY 1").fetchall()
        letters = connection.execute("SELECT reason, raw FROM dead_letters ORDER BY 1").fetchall()
    collector.stop()
    assert rows == [("fine", "a@x.example"), ("good", "Jürgen@x.example")]
    assert [reason for reason, _ in letters] == ["bad_row", "time_too_old"]
    assert json.loads(letters[0][1])["recipient"] == json.loads(letters[1][1])["entry"]["to"] == NAME
    assert '"the database is not in UTF8' in collector.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["JÜRGEN@x.example", "Привет@x.example", NAME])
def test_people_are_found_and_forgotten(
    encoded: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """`trace` and `subject` find a name beyond ASCII, in rows, in replies and in the letters' escapes, in any case."""
    dsn, _ = encoded
    collector = Collector(tmp_path, tmp_path, dsn)
    collector.start()
    entry = {"id": "1a", "action": "REJECTED", "to": name.lower(), "response": "550 5.1.1 no such user"}
    quoted = {"id": "2b", "action": "REJECTED", "to": "b@x.example", "response": f"550 5.1.1 <{name.lower()}> unknown"}
    now = int(time.time() * 1000)
    assert collector.send([{"time": now, "entry": one} for one in (entry, quoted)]) == 202
    wait_until(lambda: collector.total("duckwatch_journal_requests") == 0, "all is written")
    collector.stop()

    def ask(*words: str) -> tuple[int, str]:
        code = main(["--config", str(collector.config), *words])
        return code, capsys.readouterr().out

    assert ask("trace", "1a20bd7ba7a000cd07")[0] == 1
    assert ask("trace", name.lower())[0] == 0
    exported = ask("subject", "export", name)
    assert (exported[0], len(exported[1].splitlines())) == (0, 2)
    assert ask("subject", "forget", name)[0] == 0
    assert ask("subject", "export", name)[0] == 1
    assert ask("trace", name.lower())[0] == 1


def test_a_change_stream_goes_on(latin1_dsn: str, tmp_path: Path, server_logs: Path) -> None:
    """A feed sets aside what the encoding lacks, in what it finds in the queue and in what changes, and knows the
    queue's entries all the same.
    """
    house, mongo = House(latin1_dsn), need(lambda: Secantus(tmp_path / "mongo", server_logs))
    mongo.start()
    feed = FeedUnderTest(mongo, house, latin1_dsn)
    queue = feed.client["zone-mta"]["zone-queue"]
    mail = Mail(feed.client["zone-mta"])
    (first,) = mail.queue("q1", "001")
    queue.update_one({"_id": first}, {"$set": {"recipient": NAME}})
    mail.defer(first, 1, "451 Привет")
    feed.follow_with(QueueReader("zone-mta", "zone-queue", Border(bound_cluster="eu1"), {}))
    second, third = mail.queue("q2", "001", "002")
    mail.defer(second, 1, "451 Привет")
    mail.end(first)
    mail.end(second)
    mail.end(third)

    def ends() -> list[Any]:
        return feed.rows("SELECT queue_id, seq FROM held_events WHERE slot = 'end' ORDER BY 1, 2")

    feed.until(lambda: len(ends()) == 3)
    raws = [json.loads(raw) for (raw,) in feed.rows("SELECT raw FROM dead_letters ORDER BY 1")]
    letters = sorted((raw["row"]["queue_id"], raw["row"]["slot"]) for raw in raws)
    feed.close()
    house.close()
    mongo.stop()
    assert letters == [("q1", "deferred:1"), ("q2", "deferred:1")]


def test_doctor_says_so(encoded: tuple[str, str]) -> None:
    """`doctor` reports the encoding before the first such event, and what happens with it."""
    dsn, codec = encoded
    section = Section.model_validate({"database": {"dsn": dsn}})
    with contextlib.closing(Installation(section, None)) as patient:
        (found,) = reachable(patient)
    does = "bytes are stored unchecked" if codec == "utf-8" else "becomes a dead letter"
    assert (found.status, does in found.what, "UTF8" in found.remedy) == ("warning", True, True)
