"""The expected roll-ups: the events added up in Python, a bucket at a time, as docs/storage.md, "Roll-ups", defines
them.
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
"""The largest sum of bytes. A sender may claim any size, and a larger sum becomes this number
(collector/store/queries/mail_stats.sql).
"""


def expected(events: Iterable[dict[str, Any]], relation: str) -> Sums:
    """Return the expected roll-up of these rows of `mail_events`, whose times are epoch ms."""
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
    """Return the columns of `mail_events` that the roll-ups use."""
    names = ["time", *dict.fromkeys(NEEDED)]
    columns = ", ".join(["(extract(epoch FROM time) * 1000)::bigint", *names[1:]])
    return [
        dict(zip(names, row, strict=True)) for row in connection.execute(f"SELECT {columns} FROM mail_events".encode())
    ]


def read_rollup(connection: psycopg.Connection, relation: str) -> Sums:
    """Return the rows of a roll-up. Raise AssertionError if it has a bucket with the same labels twice."""
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
    """Fail unless every roll-up but those in `but` is the sum of the events, by default of those in the table."""
    rows = read_events(connection) if events is None else list(events)
    for relation in RELATIONS.keys() - set(but):
        wanted, found = expected(rows, relation), read_rollup(connection, relation)
        assert found.keys() == wanted.keys(), f"{relation}: {len(found)} rows, not {len(wanted)}"
        assert found == wanted, relation


MARKS = "SELECT (SELECT count(*) FROM touched_buckets) + (SELECT count(*) FROM stale_buckets WHERE width = '15s')"


KEPT_15S_MS = 71 * 3_600_000
"""The finest roll-up is kept for three days (`retention.stats_15s`), and an older bucket is not built.

The test takes less than the hour that is left out here.
"""


def assert_rolled_up(dsn: str) -> None:
    """Fail unless the roll-ups of a running collector are the sums of their events.

    The buckets of 15 seconds are compared once no mark is left. A wider bucket may wait for up to a minute, and is not
    compared while it waits. If TimescaleDB builds the roll-ups, nothing is compared.
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
    """Return the differences of a bucket (epoch ms) as text."""
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
