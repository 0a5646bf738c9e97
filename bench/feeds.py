"""Change streams: changes a second through the follower into PostgreSQL, and through a client that only counts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg
from bson import ObjectId, json_util
from pymongo import DeleteOne, MongoClient, UpdateOne

from collector.events.border.decoding import Border
from collector.feeds.mongo import Follower, QueueReader, open_stream
from collector.metrics import Metrics
from collector.store.backup.stream_position import FeedStore
from tests.servers.missing import MissingServerError
from tests.servers.secantus import Secantus

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database

SKIPPED = "skipped: run make setup"
CLUSTER, DATABASE, QUEUE = "bench", "zone-mta", "zone-queue"
AT_ONCE = 1_000
DEADLINE_SECONDS = 300.0
CHANGES_OF_A_MESSAGE = 5
"""Changes of a message that pass the stream's filter: its file (two), its entry, a deferral, the end.

The change by which a sender locks the entry does not pass.
"""


@dataclass(frozen=True, slots=True)
class Size:
    """Number of messages (of one recipient each), and of rounds."""

    messages: int
    rounds: int


FULL = Size(messages=10_000, rounds=3)
QUICK = Size(messages=1_000, rounds=1)


def measure(folder: Path, dsn: str, size: Size) -> Any:  # noqa: ANN401 - figures, or why there are none
    """Return the figures. The feeds' tables of the database are emptied."""
    try:
        server = Secantus(folder / "mongo", folder, more=["--oplog-max-entries", "1000000"])
    except MissingServerError:
        return SKIPPED
    server.start()
    try:
        with MongoClient[Any](server.uri("")) as client:
            return _Feeds(server.uri(""), client[DATABASE], dsn).measure(size)
    finally:
        server.kill()


class _Feeds:
    """Both readers of the same changes, which are written once and read in turn."""

    def __init__(self, uri: str, database: Database[Any], dsn: str) -> None:
        self._uri, self._database, self._dsn = uri, database, dsn
        self._reader = QueueReader(DATABASE, QUEUE, Border(bound_cluster=CLUSTER), {})

    def measure(self, size: Size) -> dict[str, Any]:
        self._database[QUEUE].insert_one({"id": "first", "seq": "001"})
        with open_stream(self._database, self._reader, None) as stream:
            self._database[QUEUE].insert_one({"id": "second", "seq": "001"})
            while stream.try_next() is None:
                pass
            token = json_util.dumps(stream.resume_token)
        began = time.monotonic()
        for start in range(0, size.messages, AT_ONCE):
            self._write(range(start, min(start + AT_ONCE, size.messages)))
        writing = time.monotonic() - began
        last = self._database[QUEUE].insert_one({"id": "last", "seq": "001"}).inserted_id
        changes = size.messages * CHANGES_OF_A_MESSAGE + 1
        sent, followed = [], []
        for _ in range(size.rounds):
            sent.append(changes / self._sent_seconds(token, changes))
            followed.append(changes / self._followed_seconds(token, str(last), size.messages))
        return {
            "changes": changes,
            "secantusdb_sends_a_second": _spread(sent),
            "followed_a_second": _spread(followed),
            "followed_to_sent": round(median(f / s for f, s in zip(followed, sent, strict=True)), 3),
            "secantusdb_writes_a_second": round(changes / writing),
        }

    def _write(self, numbers: range) -> None:
        """Write the documents that ZoneMTA writes for each message, one kind after the other."""
        files, queue, now = self._database["mail.files"], self._database[QUEUE], datetime.now(UTC)
        ids = {number: ObjectId() for number in numbers}
        files.insert_many([{"_id": ids[n], "filename": f"message {n}", "metadata": {}} for n in numbers])
        files.bulk_write([UpdateOne({"_id": ids[n]}, {"$set": {"metadata.data": _metadata(n)}}) for n in numbers])
        queue.insert_many([_entry(n, ids[n], now) for n in numbers])
        locked = {"locked": True, "lockTime": 1, "assigned": "default"}
        queue.bulk_write([UpdateOne({"_id": ids[n]}, {"$set": locked}) for n in numbers])
        ms = int(now.timestamp() * 1000)
        deferred = {"first": ms, "last": ms, "next": ms + 300_000, "count": 1, "response": "451 4.7.1 try again later"}
        put_back = {"_deferred": deferred | {"log": [{"message": "x" * 200}]}, "locked": False}
        queue.bulk_write([UpdateOne({"_id": ids[n]}, {"$set": put_back}) for n in numbers])
        queue.bulk_write([DeleteOne({"_id": ids[n]}) for n in numbers])

    def _sent_seconds(self, token: str, changes: int) -> float:
        began, seen = time.monotonic(), 0
        with open_stream(self._database, self._reader, token) as stream:
            while seen < changes:
                seen += stream.try_next() is not None
        return time.monotonic() - began

    def _followed_seconds(self, token: str, last: str, messages: int) -> float:
        """Return the seconds from the follower's start until the last change is committed."""
        store = FeedStore(self._dsn, CLUSTER, self._reader.name)
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute("TRUNCATE held_events, queue_entries, change_feeds")
            connection.execute("CHECKPOINT")
            store.lead()
            store.commit_token(token)
            store.close()
            follower = Follower(
                self._uri, self._reader, store,
                cluster=CLUSTER, metrics=Metrics(), listeners=[], now_ms=lambda: time.time_ns() // 1_000_000,
            )  # fmt: skip
            began = time.monotonic()
            follower.start()
            there = "SELECT 1 FROM queue_entries WHERE cluster = %s AND mongo_id = %s"
            while not connection.execute(there, [CLUSTER, last]).fetchone():
                assert time.monotonic() - began < DEADLINE_SECONDS, f"not followed: {follower.trouble}"
                time.sleep(0.02)
            seconds = time.monotonic() - began
            follower.stop()
            held = connection.execute("SELECT count(*) FROM held_events").fetchone()
        # Each message is queued, deferred and ended. The extra event is that of the last change.
        assert held == (3 * messages + 1,), held
        return seconds


def _metadata(number: int) -> dict[str, Any]:
    return {
        "id": _queue_id(number),
        "from": "orders@shop.example",
        "to": [f"r{number}@d{number % 500}.example"],
        "messageId": f"<{number}@shop.example>",
        "interface": "feeder",
        "transtype": "ESMTPS",
        "origin": "192.0.2.7",
        "headers": [{"key": "subject", "line": "Subject: " + "x" * 60}] * 8,
        "bodySize": 20_000,
    }


def _entry(number: int, own: ObjectId, now: datetime) -> dict[str, Any]:
    return {
        "_id": own,
        "id": _queue_id(number),
        "seq": "001",
        "domain": f"d{number % 500}.example",
        "sendingZone": "default",
        "recipient": f"r{number}@d{number % 500}.example",
        "locked": False,
        "lockTime": 0,
        "assigned": "no",
        "queued": now,
        "created": now,
    }


def _queue_id(number: int) -> str:
    return f"1a20bd7ba7a{number:07x}"


def _spread(figures: list[float]) -> dict[str, Any]:
    return {"median": round(median(figures)), "rounds": [round(figure) for figure in figures]}
