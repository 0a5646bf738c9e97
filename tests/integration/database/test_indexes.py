"""Each index serves a statement of the program, and each statement that must be fast has an index."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.traces import TRACES
from collector.events.model.batch import Batch
from collector.store.database.sql import query
from collector.store.lookups.traces import COLUMNS as TRACED
from tests.integration.house import House
from tests.oracle.made_up import DAY, NOW_MS, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.servers

LOOKED_FOR = {
    "queue_id": "q1", "message_id": "m@x.example", "recipient": "a@b.example", "width": "5m", "kept_from": "2026-03-01",
    "source": "mail_events",
}  # fmt: skip
UNMATCHED = {"since": "2026-03-14", "limit": 5000}
COMPLAINT = {"value": "list:7", "cluster": "eu1", "queue_id": "q1", "recipient": None, "rows": 2000}
DUE = {"now": "2026-03-14", "journal": None, "graces": "{}", "grace": "60 seconds", "limit": 500}
WINDOW = "time >= '2026-03-14 12:00Z' AND time < '2026-03-14 12:05Z'"
HOUR_OF = {"start": "2026-03-14 12:00Z", "end": "2026-03-14 13:00Z"}
WEEK = {
    "now": "2026-03-14 12:05Z", "since": "2026-03-14 11:05Z", "hour": "2026-03-14 11:00Z",
    "from": "2026-03-07 11:05Z", "first_hour": "2026-03-07 11:00Z",
}  # fmt: skip
BUCKETS = "bucket >= '2026-03-14 12:00Z' AND bucket < '2026-03-14 13:00Z'"
MESSAGES = "direction = 'outbound' AND action IN ('queued', 'refused')"

STATEMENTS: dict[str, tuple[str, Any]] = {
    "mail_events_identity": (TRACES["queue_id"], LOOKED_FOR),
    "mail_events_message_id": (TRACES["message_id"], LOOKED_FOR),
    "mail_events_recipient_time": (TRACES["recipient"], LOOKED_FOR),
    "mail_events_time": (
        query("mail_stats").format(bucket="date_bin('5 minutes', time, 'epoch')", window=WINDOW), None
    ),
    "mail_stats_15s_bucket": (f"DELETE FROM mail_stats_15s WHERE {BUCKETS}", None),
    "mail_stats_5m_bucket": (
        query("mail_stats_1h").format(bucket="date_bin('1 hour', bucket, 'epoch')", window=BUCKETS), None
    ),
    "mail_stats_1h_bucket": (f"DELETE FROM mail_stats_1h WHERE {BUCKETS}", None),
    "domain_stats_5m_bucket": (
        query("domain_stats_1h").format(bucket="date_bin('1 hour', bucket, 'epoch')", window=BUCKETS), None
    ),
    "domain_stats_1h_bucket": (f"DELETE FROM domain_stats_1h WHERE {BUCKETS}", None),
    "attempt_stats_5m_bucket": (
        query("attempt_stats_1h").format(bucket="date_bin('1 hour', bucket, 'epoch')", window=BUCKETS), None
    ),
    "attempt_stats_1h_bucket": (f"DELETE FROM attempt_stats_1h WHERE {BUCKETS}", None),
    "attempt_stats_1d_bucket": (f"DELETE FROM attempt_stats_1d WHERE {BUCKETS}", None),
    "provider_stats_5m_bucket": (f"DELETE FROM provider_stats_5m WHERE {BUCKETS}", None),
    "provider_stats_1h_bucket": (f"DELETE FROM provider_stats_1h WHERE {BUCKETS}", None),
    "zone_stats_5m_bucket": (f"DELETE FROM zone_stats_5m WHERE {BUCKETS}", None),
    "zone_stats_1h_bucket": (f"DELETE FROM zone_stats_1h WHERE {BUCKETS}", None),
    "mail_stats_5m_messages": (f"SELECT * FROM mail_stats_5m WHERE {MESSAGES} AND {BUCKETS}", None),
    "mail_stats_1h_messages": (f"SELECT * FROM mail_stats_1h WHERE {MESSAGES} AND {BUCKETS}", None),
    "recipient_stats_1h_bucket": (f"DELETE FROM recipient_stats_1h WHERE {BUCKETS}", None),
    "recipient_stats_1d_bucket": (f"DELETE FROM recipient_stats_1d WHERE {BUCKETS}", None),
    "pattern_stats_1h_bucket": (query("know_patterns"), HOUR_OF),
    "pattern_stats_1h_pattern": (query("new_patterns"), WEEK),
    "pending_complaints_pkey": (query("end_complaint"), {"event_id": "arf:1", "cluster": "eu1", "time": "2026-03-14"}),
    "reply_patterns_first_seen": (query("forget_patterns"), HOUR_OF),
    "reply_patterns_last_seen": (query("forget_patterns"), HOUR_OF),
    "stale_buckets_pkey": (query("forget_stale"), LOOKED_FOR),
    "retention_horizons_pkey": (query("horizon"), ("mail_events",)),
    "dnsbl_results_current": ("SELECT * FROM dnsbl_current", None),
    "dnsbl_results_time": (query("delete_older").format(relation="dnsbl_results", column="time"), ("2026-03-14", 100)),
    "auth_events_time": (
        query("auth_suspects"), {"since": "2026-03-14", "until": "2026-03-15", "account": 10, "source": 20},
    ),
    "auth_events_user": ("SELECT * FROM auth_events WHERE user_id = 'u1' ORDER BY time DESC LIMIT 100", None),
    "auth_events_pkey": (query("known_logins"), (["d1", "d2"], "eu1")),
    "audit_events_time": (query("delete_older").format(relation="audit_events", column="time"), ("2026-03-14", 100)),
    "audit_events_user": ("SELECT * FROM audit_events WHERE user_id = 'u1' ORDER BY time DESC LIMIT 100", None),
    "mail_events_complaints": (query("unmatched_complaints"), UNMATCHED),
    "mail_events_failures": (
        f"SELECT * FROM mail_events WHERE direction = 'outbound' AND action IN ('deferred', 'bounced') AND {WINDOW}",
        None,
    ),
    "mail_events_fbl_id": (query("messages_by").format(column="fbl_id"), COMPLAINT),
    "held_events_received": (query("due_held"), DUE),
    "held_events_time": (query("due_held"), DUE),
    "held_events_stored": (
        query("delete_older").format(relation="held_events", column="stored_time"), ("2026-03-14", 100)
    ),
    "held_events_pkey": (query("trace_held"), {"queue_id": "q1", "rows": 100}),
    "dead_letters_pkey": (query("letters_drop"), {"ids": ["r:0"], "reason": None}),
    "dead_letters_received_at": (query("prune_letters"), ("2026-03-14",)),
}  # fmt: skip
FOR_UNIQUENESS = {
    "schema_migrations_pkey",
    "plugin_reports_pkey",
    "dnsbl_results_pkey",
    "audit_events_pkey",
    "reply_patterns_identity",
}
"""Indexes that serve no statement: they enforce a key."""

MINE = (
    "mail_events", "mail_stats_15s", "mail_stats_5m", "mail_stats_1h", "domain_stats_5m", "domain_stats_1h",
    "stale_buckets",
    "touched_buckets", "retention_horizons", "dead_letters", "plugin_reports", "dnsbl_results", "auth_events",
    "audit_events", "held_events", "attempt_stats_5m", "attempt_stats_1h", "recipient_stats_1h", "pattern_stats_1h",
    "reply_patterns", "schema_migrations", "pending_complaints", "attempt_stats_1d", "provider_stats_5m",
    "provider_stats_1h", "recipient_stats_1d", "zone_stats_5m", "zone_stats_1h",
)  # fmt: skip


def indexes(connection: psycopg.Connection) -> set[str]:
    """Return every index of the collector's tables."""
    found = connection.execute(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY (%s)", (list(MINE),)
    )
    return {name for (name,) in found}


def expected(house: House) -> set[str]:
    """The indexes that are looked for: continuous aggregates have those that TimescaleDB gives them."""
    return {
        index
        for index in STATEMENTS
        if not (house.builds_itself and index.startswith(("mail_stats_", "domain_stats_")))
    }


SPANS = {"starts": ["a", "A"], "ends": ["a~", "A~"], "value": "a@b.example", "rows": 20}
BESIDE: list[tuple[str, tuple[str, Any]]] = [
    ("pattern_stats_1h_pattern", (query("forget_patterns"), HOUR_OF)),
    ("mail_events_message_id", (query("messages_by").format(column="message_id"), COMPLAINT)),
    ("mail_events_identity", (query("values_of_message"), COMPLAINT)),
    (
        "mail_events_identity",
        (query("trace_message").format(columns=TRACED), {"queue_id": "q1", "seqs": ["001"], "rows": 100}),
    ),
    ("mail_events_message_id", (query("trace_by").format(columns=TRACED, column="message_id"), COMPLAINT)),
    ("mail_events_recipient_time", (query("trace_by").format(columns=TRACED, column="recipient"), COMPLAINT)),
    ("mail_events_message_id", (query("trace_spellings").format(column="message_id"), SPANS)),
    ("mail_events_recipient_time", (query("trace_spellings").format(column="recipient"), SPANS)),
    ("dead_letters_received_at", (query("trace_letters"), {"text": "q1", "looked_into": 10_000, "rows": 100})),
]
"""Further statements that use an index of the list above."""


@pytest.fixture(scope="module", params=["postgres", "timescale"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """Yield one house for all tests, with some mail.

    Sequential scans are made expensive, because the tables are small. A statement that cannot use the index still does
    not.
    """
    cluster: PostgresCluster = request.getfixturevalue(request.param)
    dsn = cluster.create_database()
    made = House(dsn)
    made.store.write(Batch(some(400, NOW_MS - 2 * DAY, NOW_MS, seed=1)))
    made.roll_up()
    made.connection.execute("ANALYZE")
    made.connection.execute("SET enable_seqscan = off")
    made.connection.execute("SET enable_sort = on")
    yield made
    made.close()
    cluster.drop_database(dsn)


def plan_of(house: House, statement: str, values: Any) -> str:
    """Return the plan of a statement."""
    return "\n".join(row[0] for row in house.connection.execute(f"EXPLAIN {statement}".encode(), values))


def test_every_index_is_for_a_statement_of_ours(house: House) -> None:
    """Every index is named here with its statement: an unused one only makes inserts slower."""
    assert indexes(house.connection) == expected(house) | FOR_UNIQUENESS


@pytest.mark.parametrize(("index", "statement"), [*STATEMENTS.items(), *BESIDE])
def test_a_statement_has_its_index(house: House, index: str, statement: tuple[str, Any]) -> None:
    """The statement's plan names its index."""
    if index not in expected(house):
        pytest.skip("a continuous aggregate has no index of ours")
    plan = plan_of(house, *statement)
    # The name of a chunk's index begins with the chunk's name, and may be cut at its end.
    used = re.findall(r"(?:using|Index Scan on) (\S+)", plan)
    assert any(index in name or name.split("_chunk_", 1)[-1] in index for name in used), plan


def test_the_newest_events_of_a_recipient_are_not_sorted_out_of_all(house: House) -> None:
    """A recipient's newest events come from the index in order, so the query ends at the hundredth of thousands."""
    plan = plan_of(house, TRACES["recipient"], {"recipient": "A@b.example"})  # two spellings
    _, *inner = plan.split("->  Limit")
    assert len(inner) == 2, plan
    assert "Sort" not in "".join(inner), plan


def test_the_docs_show_the_traces() -> None:
    """docs/storage.md shows the same statements for finding a message as the benchmark and the index test."""
    page = " ".join((Path(__file__).parents[3] / "docs/storage.md").read_text(encoding="utf-8").split())
    for by, statement in TRACES.items():
        assert statement.replace(f"%({by})s", "'…'") in page, by
