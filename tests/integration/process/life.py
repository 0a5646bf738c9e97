"""The life of one recorded log entry: it is sent to a running collector, and read at every place that it passes."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, LiteralString

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tests.oracle.recording import read_recording
from tests.oracle.wire import event, with_attempts
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.collector import Collector

LINE: Final = 750
"""The line of the recording with the entry that the document follows: a bounce whose reply has a changing part."""

RECEIVED_AT: Final = "RECEIVED_AT"
REQUEST_ID: Final = "REQUEST_ID"
"""The document's placeholder for the two values that differ in each run."""

WIDTH: Final = 100

UNSTEADY: Final = (
    "duckwatch_event_commit_delay_seconds",
    "duckwatch_http",
    "duckwatch_ingest_seconds",
    "duckwatch_job",
    "duckwatch_journal",
    "duckwatch_plugin_last_seen",
    "duckwatch_store_bytes",
    "duckwatch_store_oldest",
    "duckwatch_store_write_seconds_sum",
    "duckwatch_store_write_seconds_bucket",
    "process_",
    "python_",
)
"""Metrics of the machine, the jobs or the clock, whose values differ in each run."""


def record() -> dict[str, Any]:
    """Return the recorded bounce that the document follows."""
    return read_recording()[LINE - 1]


def body() -> dict[str, Any]:
    """Return the plugin's body when this entry is the only one in its spool."""
    heartbeat = {
        "version": "0.1.0",
        "process": "4f1c0c2e9d",
        "contexts": ["receiver", "sender"],
        "spool_bytes": 0,
        "oldest_unsent": None,
        "dropped": 0,
    }
    sent = with_attempts(read_recording())[LINE - 1]
    return {"cluster": "eu1", "host": "mta1", "plugin": heartbeat, "events": [event(sent)]}


def journal_entry(journal: Path, copy: Path) -> dict[str, Any]:
    """Return the only row of an open journal, read from a copy because the collector has locked the file."""
    copy.mkdir()
    for path in journal.parent.glob(f"{journal.name}*"):
        shutil.copy(path, copy)
    with closing(sqlite3.connect(copy / journal.name)) as database:
        rows = database.execute("SELECT id, received_at, body FROM requests").fetchall()
    assert len(rows) == 1
    number, received_at, packed = rows[0]
    body = msgspec.msgpack.decode(packed)
    assert body[1] == received_at
    body[:2] = [REQUEST_ID, RECEIVED_AT]
    return {"id": number, "received_at": RECEIVED_AT, "body": body}


def follow(collector: Collector, dsn: str, journal: Path, copy: Path) -> dict[str, str]:
    """Send the entry to the collector. Return block name -> text of the document's block."""
    wait_until(lambda: not collector.trouble(), "the database has its tables")
    before = collector.metrics()
    headers = {"Authorization": f"Bearer {collector.token}", "Content-Type": "application/json"}
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        with connection.transaction():
            # The writer waits for this lock, so that the journal can be read before the request is removed.
            connection.execute("LOCK TABLE mail_events IN ACCESS EXCLUSIVE MODE")
            answer = collector.ask("/api/events/ingest", json.dumps(body()).encode(), headers)
            assert answer.status == 202
            entry = journal_entry(journal, copy)
        wait_until(lambda: collector.total("duckwatch_journal_requests") == 0, "the journal is empty")
        wait_until(lambda: len(rows_of(connection, "mail_stats_1h")) == 1, "the hour is built", seconds=120)
        moved = moves(before, collector.metrics())
        return {
            "entry": shown(record()["entry"]),
            "body": shown(body()),
            "answer": shown(json.loads(answer.body)),
            "journal": shown(entry),
            "row": shown(one_row(connection, "mail_events") | {"received_at": RECEIVED_AT}),
            "rollup": shown(one_row(connection, "mail_stats_5m")),
            "metrics": "\n".join(moved),
        }


def shown(value: Any, indent: str = "") -> str:
    """Return a value as JSON text, with short lists and objects on one line."""
    line = json.dumps(value, default=str, ensure_ascii=False)
    deeper = f"{indent}  "
    if len(indent) + len(line) < WIDTH or not value or not isinstance(value, (dict, list)):
        return line
    if isinstance(value, dict):
        inner = [f"{json.dumps(key)}: {shown(one, deeper)}" for key, one in value.items()]
        opening, end = "{", "}"
    else:
        inner = [shown(one, deeper) for one in value]
        opening, end = "[", "]"
    lines = f",\n{deeper}".join(inner)
    return f"{opening}\n{deeper}{lines}\n{indent}{end}"


def rows_of(connection: psycopg.Connection[dict[str, Any]], relation: LiteralString) -> list[dict[str, Any]]:
    """Return the rows of a relation, times in UTC."""
    connection.execute("SET TIME ZONE 'UTC'")
    return connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(relation))).fetchall()


def one_row(connection: psycopg.Connection[dict[str, Any]], relation: LiteralString) -> dict[str, Any]:
    """Return the only row of a relation, without its nulls."""
    (row,) = rows_of(connection, relation)
    return {name: value for name, value in row.items() if value is not None}


def moves(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the changed samples of /metrics in Prometheus's text format, without UNSTEADY metrics and buckets."""
    lines = []
    for name, samples in after.items():
        if name.startswith(UNSTEADY) or name.endswith("_bucket"):
            continue
        for labels, value in samples.items():
            if before.get(name, {}).get(labels, 0) != value:
                inside = ",".join(f'{label}="{text}"' for label, text in labels)
                lines.append(f"{name}{{{inside}}} {value:.15g}" if inside else f"{name} {value:.15g}")
    return sorted(lines)
