"""What the roll-ups must hold: the events added up in Python, a bucket at a time,
by the words of the design ("Roll-ups").
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import psycopg

from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

SECOND_MS = 1_000
WIDTHS_MS = {"15s": 15 * SECOND_MS, "5m": 300 * SECOND_MS, "1h": 3_600 * SECOND_MS}
LIMITS_MS = {
    "1s": 1_000, "5s": 5_000, "30s": 30_000, "1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000,
    "4h": 14_400_000,
    "12h": 43_200_000, "1d": 86_400_000,
}  # fmt: skip
MAIL_LABELS = ("cluster", "zone", "provider", "local_ip", "direction", "action", "reason")
DOMAIN_LABELS = ("cluster", "sender_domain", "provider", "action", "reason")
MAIL_SUMS = ("events", "recipients", "bytes", *(f"queue_le_{limit}" for limit in LIMITS_MS), "queue_count")
RELATIONS = {
    **{f"mail_stats_{width}": (width, MAIL_LABELS, MAIL_SUMS) for width in ("15s", "5m", "1h")},
    **{f"domain_stats_{width}": (width, DOMAIN_LABELS, ("events",)) for width in ("5m", "1h")},
}

Sums = dict[tuple[Any, ...], dict[str, int]]
"""Bucket (epoch ms) and labels -> column -> sum."""


LARGEST = 2**63 - 1
"""A sender may claim any size: a sum of bytes that does not fit is the largest number
(collector/store/queries/mail_stats.sql).
"""


def expected(events: Iterable[dict[str, Any]], relation: str) -> Sums:
    """The roll-up of these rows of `mail_events` (times as epoch ms)."""
    width, labels, columns = RELATIONS[relation]
    sums: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for event in events:
        if relation.startswith("domain") and event["direction"] != "outbound":
            continue
        key = (event["time"] // WIDTHS_MS[width] * WIDTHS_MS[width], *(event[label] for label in labels))
        sums[key].update(events=1, recipients=event["recipients"] or 0, bytes=event["size_bytes"] or 0)
        if event["queue_ms"] is not None:
            sums[key]["queue_count"] += 1
            sums[key].update(f"queue_le_{name}" for name, limit in LIMITS_MS.items() if event["queue_ms"] <= limit)
    return {key: {column: min(found[column], LARGEST) for column in columns} for key, found in sums.items()}


NEEDED = (
    "direction", "sender_domain", "recipients", "size_bytes", "queue_ms", *MAIL_LABELS,
    "event_id", "attempt", "recipient_domain", "response_pattern",
)  # fmt: skip


def read_events(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """What the roll-ups are made of."""
    names = ["time", *dict.fromkeys(NEEDED)]
    columns = ", ".join(["(extract(epoch FROM time) * 1000)::bigint", *names[1:]])
    return [
        dict(zip(names, row, strict=True)) for row in connection.execute(f"SELECT {columns} FROM mail_events".encode())
    ]


def read_rollup(connection: psycopg.Connection, relation: str) -> Sums:
    """What the relation holds; a bucket with the same labels twice is an AssertionError."""
    _, labels, sums = RELATIONS[relation]
    columns = ", ".join(["(extract(epoch FROM bucket) * 1000)::bigint", *labels, *sums])
    found: Sums = {}
    for row in connection.execute(f"SELECT {columns} FROM {relation}".encode()):
        key = row[: len(labels) + 1]
        assert key not in found, f"{relation} has {key} twice"
        found[key] = dict(zip(sums, row[len(labels) + 1 :], strict=True))
    return found


def assert_equal(
    connection: psycopg.Connection, events: Iterable[dict[str, Any]] | None = None, *, but: tuple[str, ...] = ()
) -> None:
    """Every roll-up, `but` some, is the sum of the events; by default of those in the table."""
    rows = read_events(connection) if events is None else list(events)
    for relation in RELATIONS.keys() - set(but):
        wanted, found = expected(rows, relation), read_rollup(connection, relation)
        assert found.keys() == wanted.keys(), f"{relation}: {len(found)} rows, not {len(wanted)}"
        assert found == wanted, relation


MARKS = "SELECT (SELECT count(*) FROM touched_buckets) + (SELECT count(*) FROM stale_buckets WHERE width = '15s')"


KEPT_15S_MS = 71 * 3_600_000
"""The finest roll-up is kept for three days (retention.stats_15s): a bucket that is older is not built.

One hour is left to the test.
"""


def assert_rolled_up(dsn: str) -> None:
    """Behind a running collector that builds the roll-ups:
    each of 15 seconds is the sum of its events once the marks are taken,
    and so is each wider one but those that still wait for their turn (up to a minute).
    Without such a collector nothing is asserted.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        kind = connection.execute("SELECT relkind FROM pg_class WHERE oid = to_regclass('mail_stats_5m')").fetchone()
        if kind != ("r",):
            return
        wait_until(lambda: connection.execute(MARKS).fetchone() == (0,), "every mark is taken", 60, every=0.2)
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            _assert_equal_or_marked(connection)


def _differences(bucket: int, wanted: Sums, found: Sums) -> str:
    """What a bucket (epoch ms) should hold and does not, for a person to read."""
    keys = [key for key in wanted.keys() | found.keys() if key[0] == bucket and wanted.get(key) != found.get(key)]
    return "; ".join(f"{key}: {found.get(key)}, not {wanted.get(key)}" for key in keys[:3])


def _assert_equal_or_marked(connection: psycopg.Connection) -> None:
    events = read_events(connection)
    kept_since = int(time.time() * 1000) - KEPT_15S_MS
    rows = connection.execute("SELECT width, (extract(epoch FROM bucket) * 1000)::bigint FROM stale_buckets").fetchall()
    hour = WIDTHS_MS["1h"]
    marked = {*rows, *(("1h", bucket // hour * hour) for width, bucket in rows if width == "5m")}
    for relation, (width, _, _) in RELATIONS.items():
        wanted, found = expected(events, relation), read_rollup(connection, relation)
        wrong = sorted({key[0] for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)})
        since = kept_since if width == "15s" else 0
        missed = [bucket for bucket in wrong if (width, bucket) not in marked and bucket >= since]
        assert missed == [], f"{relation}: {_differences(missed[0], wanted, found)}"
