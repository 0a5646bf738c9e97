"""Roll-ups equal the rows of every source, for events at any moment of a bucket, on each tier."""

from __future__ import annotations

import json
import time
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import psycopg
import pymongo
import pytest
from bson import ObjectId

from tests.oracle.gelf import mail_message
from tests.oracle.reports import report
from tests.oracle.rollups import assert_equal, assert_rolled_up
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.gelf import send_datagrams
from tests.servers.process import free_port, wait_until
from tests.servers.secantus import Secantus

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database

pytestmark = pytest.mark.servers

EACH = 16
"""Events of each source."""


def stamps(now_ms: int) -> list[int]:
    """Return times of the last 40 minutes (epoch ms), each in another bucket and at another second of it."""
    first = now_ms // 15_000 * 15_000 - 40 * 60_000
    return [first + n * 135_000 + n * 15_000 // EACH + n * 37 for n in range(EACH)]


def post(collector: Collector, path: str, body: bytes, kind: str) -> None:
    """Post a request, and assert that it is acknowledged."""
    headers = {"Authorization": f"Bearer {collector.token}", "Content-Type": kind}
    assert collector.ask(path, body, headers).status == 202


def of_the_plugin(collector: Collector, times: list[int]) -> None:
    entries = [{"action": "QUEUED", "id": f"p{n}", "from": "a@shop.example", "to": "b@x.example"} for n in range(EACH)]
    assert collector.send([{"time": at, "entry": one} for at, one in zip(times, entries, strict=True)]) == 202


def of_the_others(collector: Collector, wildduck: Database[Any], times: list[int]) -> None:
    """Send WildDuck's webhooks, inbound mail and complaints, which are stored at once."""
    for n, at in enumerate(times):
        marked = {"ev": "marked.spam", "time": at, "user": f"{n:024x}", "mailbox": f"{n:024x}", "message": n}
        post(collector, "/api/events/wildduck", json.dumps(marked).encode(), "application/json")
        moment = datetime.fromtimestamp(at / 1000, UTC)
        original = f"Message-ID: <c{n}@shop.example>\n\n"
        post(collector, "/api/events/arf", report(date=format_datetime(moment), original=original), "message/rfc822")
        message = ObjectId()
        meta = {"source": "MX", "from": "orders@shop.example", "to": ["alice@example.com"], "transtype": "LMTP"}
        wildduck["messages"].insert_one(
            {"_id": message, "root": message, "user": ObjectId(), "mailbox": ObjectId(), "idate": moment, "size": 5,
             "msgid": f"<w{n}@shop.example>", "meta": meta}
        )  # fmt: skip


def of_backup_sources(collector: Collector, gelf_port: int, queue: Database[Any], times: list[int]) -> None:
    """Send bounces, GELF and ZoneMTA's queue, which are held first."""
    for n, at in enumerate(times):
        of_it = {"seq": "001", "to": "b@x.example", "response": "550 no"}
        bounce = {"id": f"b{n}", "returnPath": "a@shop.example", "time": at} | of_it
        post(collector, "/api/events/bounce", urlencode(bounce).encode(), "application/x-www-form-urlencoded")
        told = mail_message({"action": "ACCEPTED", "id": f"g{n}", "from": "a@shop.example"} | of_it, at)
        send_datagrams(gelf_port, [zlib.compress(json.dumps(told).encode())])
        moment = datetime.fromtimestamp(at / 1000, UTC)
        data = {"id": f"m{n}", "from": "a@shop.example", "to": ["b@x.example"], "transtype": "ESMTP"}
        file = queue["mail.files"].insert_one({"filename": f"message m{n}", "metadata": {}}).inserted_id
        queue["mail.files"].update_one({"_id": file}, {"$set": {"metadata.data": data}})
        entry = {
            "id": f"m{n}", "seq": "001", "domain": "x.example", "sendingZone": "bulk", "recipient": "b@x.example",
            "queued": moment,
            "created": moment,
        }  # fmt: skip
        key = queue["zone-queue"].insert_one(entry).inserted_id
        deferred = {"first": at, "last": at, "next": at + 300_000, "count": 1, "response": "451 later"}
        queue["zone-queue"].update_one({"_id": key}, {"$set": {"_deferred": deferred}})


BY_SOURCE = "SELECT source, count(*)::int FROM mail_events GROUP BY 1 ORDER BY 1"
FOLLOWED = "SELECT count(*) FROM change_feeds WHERE token IS NOT NULL"
AT_ONCE = [("arf", EACH), ("change_stream", EACH), ("plugin", EACH), ("wildduck", EACH)]
WANTED = [
    ("arf", EACH),
    ("bounce", EACH),
    ("change_stream", 3 * EACH),
    ("gelf", EACH),
    ("plugin", EACH),
    ("wildduck", EACH),
]


def test_every_row_of_every_source_is_counted(any_dsn: str, tmp_path: Path, server_logs: Path) -> None:
    """Every row of every source is counted, also of backup sources, whose buckets are built before they are stored."""
    mongo, gelf_port = need(lambda: Secantus(tmp_path / "mongo", server_logs)), free_port()
    mongo.start()
    settings = {
        "mongo": [{"cluster": "eu1", "uri": mongo.uri(""), "wildduck_database": "wildduck", "grace": "1s"}],
        "gelf": {"udp": f"127.0.0.1:{gelf_port}", "cluster": "eu1"},
    }
    collector = Collector(tmp_path / "collector", server_logs, any_dsn, settings)
    client: pymongo.MongoClient[Any] = pymongo.MongoClient(mongo.uri(""))
    collector.start()
    with psycopg.connect(any_dsn, autocommit=True) as connection:

        def has(statement: str, *wanted: tuple[object, ...]) -> bool:
            return connection.execute(statement.encode()).fetchall() == list(wanted)

        wait_until(lambda: has("SELECT to_regclass('change_feeds') IS NOT NULL", (True,)), "the schema is there", 60)
        wait_until(lambda: has(FOLLOWED, (2,)), "both databases are followed", 60)
        times = stamps(int(time.time() * 1000))
        of_the_plugin(collector, times)
        of_the_others(collector, client["wildduck"], times)
        wait_until(lambda: has(BY_SOURCE, *AT_ONCE), "what is stored at once is stored", 60)
        assert_rolled_up(any_dsn)
        of_backup_sources(collector, gelf_port, client["zone-mta"], times)
        found = lambda: str(connection.execute(BY_SOURCE.encode()).fetchall())  # noqa: E731
        wait_until(lambda: has(BY_SOURCE, *WANTED), found, 90)
        assert_rolled_up(any_dsn)
        # After a start the job builds every bucket at once.
        collector.stop()
        collector.start()
        marked = "SELECT (SELECT count(*) FROM touched_buckets) + (SELECT count(*) FROM stale_buckets)"
        wait_until(lambda: has(marked, (0,)), "every bucket is built", 60)
        if connection.execute("SELECT relkind FROM pg_class WHERE relname = 'mail_stats_5m'").fetchone() == ("r",):
            assert_equal(connection)
        oldest = connection.execute("SELECT min(time) FROM mail_events").fetchone()
    assert oldest is not None
    assert oldest[0] > datetime.now(UTC) - timedelta(hours=1)
    client.close()
    assert collector.stop() == 0
    mongo.stop()
