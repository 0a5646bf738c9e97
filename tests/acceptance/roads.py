"""Helpers for tests of the backup sources: send GELF, compute what a backup source can report, and wait for it."""

from __future__ import annotations

import json
import threading
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import psycopg

from tests.acceptance.world import HOST
from tests.oracle.gelf import mail_message
from tests.servers.gelf import send_datagrams
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.world import World

Record = dict[str, Any]
Row = dict[str, Any]
Slot = tuple[str, str, str]

QUIET = 150  # s
NEVER_QUEUED = "coalesce(event ->> 'recipients' = '0', false)"
PAUSE = 0.2  # s between two reads of the recorder's files


class GelfSender:
    """A context manager that sends each newly recorded log entry by GELF, as zonemta-wildduck does."""

    def __init__(self, world: World) -> None:
        self._folder, self._port = world.zonemta.records, world.gelf_port
        self._read = {file: file.stat().st_size for file in self._folder.iterdir()}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="GELF", daemon=True)
        self.told = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(30)

    def _run(self) -> None:
        while True:
            is_last = self._end.wait(PAUSE)
            for file in list(self._folder.iterdir()):
                for record in self._new(file):
                    self._tell(record)
            if is_last:
                return

    def _new(self, file: Path) -> Iterator[Record]:
        with file.open("rb") as lines:
            lines.seek(self._read.get(file, 0))
            for line in lines:
                if line.endswith(b"\n"):
                    self._read[file] = self._read.get(file, 0) + len(line)
                    yield json.loads(line)

    def _tell(self, record: Record) -> None:
        message = mail_message(record["entry"], record["time_ms"], HOST)
        if message is not None:
            send_datagrams(self._port, [zlib.compress(json.dumps(message).encode())])
            self.told += 1


def knowable(records: list[Record]) -> Counter[Slot]:
    """Count the slots that MongoDB's change stream can fill from these log entries.

    A slot is the queue id, the seq (empty for the message) and the name of what happened.
    """
    slots: Counter[Slot] = Counter()
    for record in records:
        entry = record["entry"]
        match entry["action"]:
            case "QUEUED":
                slots[entry["id"], "", "queued"] += 1
            case "DEFERRED":
                slots[entry["id"], entry["seq"], f"deferred:{entry['defcount']}"] += 1
            case "ACCEPTED" | "REJECTED":
                slots[entry["id"], entry["seq"], "end"] += 1
    return slots


def filled(rows: list[Row]) -> Counter[Slot]:
    """Count the slots that these rows fill, in the form of `knowable`."""
    names = {"queued": "queued", "delivered": "end", "bounced": "end", "released": "end"}
    found: Counter[Slot] = Counter()
    for row in rows:
        name = f"deferred:{row['attempt']}" if row["action"] == "deferred" else names.get(row["action"])
        if name is not None:
            found[row["queue_id"], row["seq"] or "", name] += 1
    return found


def count(world: World, statement: str) -> int:
    """Return the number that a query gives."""
    with psycopg.connect(world.dsn) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def never_queued(world: World) -> set[str]:
    """Return the queue ids of messages whose metadata came by the change stream, but no queue entry."""
    with psycopg.connect(world.dsn) as connection:
        return {row[0] for row in connection.execute(f"SELECT queue_id FROM held_events WHERE {NEVER_QUEUED}".encode())}


def recovered(world: World) -> Counter[str]:
    """Return the running collector's `duckwatch_backup_recovered_total` by source, without zeros."""
    found: Counter[str] = Counter()
    for labels, value in world.collector.metrics().get("duckwatch_backup_recovered_total", {}).items():
        found[dict(labels)["source"]] += int(value)
    return +found


def wait_until_followed(world: World) -> None:
    """Return when the collector follows the change stream. It then receives every later change."""
    wait_until(lambda: count(world, "SELECT count(*) FROM change_feeds WHERE token IS NOT NULL") == 1, "it follows", 60)


def wait_until_decided(world: World) -> None:
    """Return when the change stream has reported every end and every held event is stored or dropped.

    Held events of messages without a queue entry (`never_queued`) are not counted.
    """
    followed = "SELECT count(*) FROM queue_entries"
    waiting = f"SELECT count(*) FROM held_events WHERE stored_time IS NULL AND NOT ({NEVER_QUEUED})"
    wait_until(lambda: count(world, followed) == 0, "the stream has told of every end", QUIET, every=0.5)
    wait_until(lambda: count(world, waiting) == 0, "nothing is held that waits", QUIET, every=0.5)
