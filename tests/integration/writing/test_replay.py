"""A recording of a real ZoneMTA, sent by HTTP with present times, becomes exactly the expected rows.

That holds for any batches, order and form of the bodies, and for repeats.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from collector.config.model import RetentionSettings
from collector.jobs import RollUp
from tests.oracle.comparison import differences, read_rows
from tests.oracle.recording import read_recording
from tests.oracle.rollups import assert_equal
from tests.oracle.rows import expected_row
from tests.oracle.serving import ReplayCollector
from tests.oracle.stamps import Record, shift
from tests.oracle.wire import FORMS, Body, plugin_body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTRIES = 2424
MINUTE_MS = 60_000
BATCH = 100


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def rows_for(records: list[Record], cluster: str, host: str | None) -> list[dict[str, Any]]:
    return [expected_row(record, cluster=cluster, host=host, received_at=None) for record in records]


def batches(records: list[Record], size: int = BATCH) -> list[list[Record]]:
    return [records[start : start + size] for start in range(0, len(records), size)]


def shuffled_batches(records: list[Record], chance: random.Random) -> list[list[Record]]:
    """Return every record once, in random order, in batches of 1 to 200."""
    left = list(records)
    chance.shuffle(left)
    cut = []
    while left:
        size = chance.randint(1, 200)
        cut.append(left[:size])
        left = left[size:]
    return cut


@pytest.fixture(scope="module")
def recording() -> list[Record]:
    """Return the recording, with its newest time a minute ago."""
    return shift(read_recording(), now_ms() - MINUTE_MS)


@pytest.fixture(scope="module")
def expected(recording: list[Record]) -> list[dict[str, Any]]:
    """Return the rows that the recording must become."""
    return rows_for(recording, "default", "mta1")


@pytest.fixture
def collector(any_dsn: str, tmp_path: Path) -> Iterator[ReplayCollector]:
    """Yield a collector on an empty database, with a token for each form of a body."""
    served = ReplayCollector(tmp_path, any_dsn, clusters=tuple(FORMS))
    served.start()
    yield served
    assert served.stop() == 0


def send(collector: ReplayCollector, bodies: list[Body], counts: list[int], cluster: str | None = None) -> None:
    """Post all batches, and assert that every event was accepted."""
    for body, count in zip(bodies, counts, strict=True):
        assert collector.post(body, cluster) == {"accepted": count, "rejected": []}


def send_as_the_plugin(collector: ReplayCollector, parts: list[list[Record]]) -> None:
    send(collector, [plugin_body(part) for part in parts], [len(part) for part in parts])


def assert_no_differences(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    lines = differences(expected, found, but=("received_at",))
    assert not lines, f"{len(lines)} differences, the first:\n" + "\n".join(lines[:20])


def assert_counters_equal_rows(collector: ReplayCollector, rows: list[dict[str, Any]]) -> None:
    """Assert that the counters of mail equal the rows for each label (docs/metrics.md)."""

    def sums(*columns: str, action: str, direction: str = "outbound") -> Counter[tuple[str, ...]]:
        wanted = [row for row in rows if row["action"] == action and row["direction"] == direction]
        return Counter(tuple(row[column] or "none" for column in columns) for row in wanted)

    def totals(name: str, *labels: str) -> Counter[tuple[str, ...]]:
        return collector.totals(f"duckwatch_mail_{name}_total", "mail_cluster", *labels)

    columns = ("cluster", "zone", "provider", "action")
    assert totals("events", "zone", "provider", "action") == Counter(
        tuple(row[column] or "none" for column in columns) for row in rows
    )
    assert totals("bounces", "zone", "provider", "reason", "kind") == sums(
        "cluster", "zone", "provider", "reason", "bounce_kind", action="bounced"
    )
    assert totals("deferrals", "zone", "provider", "reason") == sums(
        "cluster", "zone", "provider", "reason", action="deferred"
    )
    queued = [row["recipients"] for row in rows if row["action"] == "queued" and row["direction"] == "outbound"]
    assert collector.total("duckwatch_mail_recipients_queued_total") == sum(queued)


def test_recording_becomes_exactly_the_expected_rows(
    any_dsn: str, collector: ReplayCollector, recording: list[Record], expected: list[dict[str, Any]]
) -> None:
    """The 2,424 entries in the plugin's form become 2,424 rows that equal the oracle's in every column."""
    began = now_ms()
    send_as_the_plugin(collector, batches(recording))
    acknowledged = now_ms()
    collector.wait_settled(ENTRIES)
    found = read_rows(any_dsn)
    assert_no_differences(expected, found)
    assert len(found) == ENTRIES
    assert all(began <= row["received_at"] <= acknowledged for row in found)
    assert_counters_equal_rows(collector, found)
    assert collector.total("duckwatch_ingest_events_total") == ENTRIES
    assert collector.total("duckwatch_ingest_duplicates_total") == 0
    assert collector.total("duckwatch_dead_letters_total") == 0


def test_table_adds_up_to_what_the_recording_holds(
    any_dsn: str, collector: ReplayCollector, recording: list[Record]
) -> None:
    """Sums over the table equal counts of the raw recording."""
    send_as_the_plugin(collector, batches(recording))
    collector.wait_settled(ENTRIES)
    entries = [record["entry"] for record in recording]
    with psycopg.connect(any_dsn) as connection:

        def count(query: str) -> Any:
            return connection.execute(query).fetchall()

        accepted = Counter(entry["zone"] for entry in entries if entry["action"] == "ACCEPTED")
        zones = count("SELECT zone, count(*) FROM mail_events WHERE action = 'delivered' GROUP BY zone")
        assert dict(zones) == accepted
        assert count("SELECT count(*), sum(recipients) FROM mail_events WHERE action = 'queued'") == [(532, 657)]
        assert count("SELECT count(*) FROM mail_events WHERE action = 'delivered' AND direction = 'dsn'") == [(256,)]
        assert count("SELECT count(*) FROM mail_events WHERE auth_user IS NOT NULL") == [(49,)]
        assert count("SELECT count(DISTINCT (cluster, event_id, time)) FROM mail_events") == [(ENTRIES,)]
        sizes = sum(entry["size"] for entry in entries if entry["action"] == "ACCEPTED")
        assert count("SELECT sum(size_bytes) FROM mail_events WHERE action = 'delivered'") == [(sizes,)]
        assert count("SELECT max(queue_ms), min(queue_ms) >= 0 FROM mail_events") == [(longest(recording), True)]
        assert count("SELECT count(*) FROM mail_events WHERE raw::text ILIKE '%subject%'") == [(0,)]
        assert count("SELECT count(*) FROM dead_letters") == [(0,)]


def test_roll_ups_of_the_recording_are_the_sums_of_its_rows(
    any_dsn: str, collector: ReplayCollector, recording: list[Record]
) -> None:
    """Roll-ups of the recording, sent twice and in any order, equal the sums of its rows."""
    for seed in (1, 2):
        send_as_the_plugin(collector, shuffled_batches(recording, random.Random(seed)))
    collector.wait_settled(2 * ENTRIES)
    assert collector.stop() == 0  # frees the jobs' lock
    with psycopg.connect(any_dsn, autocommit=True) as connection:
        RollUp(RetentionSettings()).run(connection, datetime.now(UTC), lambda: False)
        assert connection.execute("SELECT count(*) FROM stale_buckets").fetchone() == (0,)
        assert_equal(connection)


def longest(records: list[Record]) -> int:
    """Return the greatest age of a message in the recording, from its queue id."""
    return max(int(record["time_ms"]) - int(record["entry"]["id"][:11], 16) for record in records)


def test_replay_in_shuffled_batches_changes_nothing(
    any_dsn: str, collector: ReplayCollector, recording: list[Record], expected: list[dict[str, Any]]
) -> None:
    """The recording gives the same rows and counters when sent twice, in any order and batch size."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    send_as_the_plugin(collector, shuffled_batches(recording, chance))
    collector.wait_settled(ENTRIES)
    first = read_rows(any_dsn)
    assert_no_differences(expected, first)
    assert_counters_equal_rows(collector, first)

    send_as_the_plugin(collector, shuffled_batches(recording, chance))
    collector.wait_settled(2 * ENTRIES)
    second = read_rows(any_dsn)
    assert not differences(first, second), "a replay changed rows"
    assert_counters_equal_rows(collector, second)
    assert collector.total("duckwatch_ingest_events_total") == 2 * ENTRIES
    assert collector.total("duckwatch_ingest_duplicates_total") == ENTRIES


def test_both_halves_of_a_batch_twice_are_stored_once(
    any_dsn: str, collector: ReplayCollector, recording: list[Record], expected: list[dict[str, Any]]
) -> None:
    """Overlapping batches with doubled entries store each entry once, and count the rest as repeated."""
    parts = [recording[start : start + BATCH] for start in range(0, ENTRIES, BATCH // 2)]
    parts = [part + part[:7] for part in parts]
    send_as_the_plugin(collector, parts)
    sent = sum(len(part) for part in parts)
    collector.wait_settled(sent)
    found = read_rows(any_dsn)
    assert_no_differences(expected, found)
    assert_counters_equal_rows(collector, found)
    assert collector.total("duckwatch_ingest_duplicates_total") == sent - ENTRIES


def test_every_form_of_a_body_gives_the_same_rows(
    any_dsn: str, collector: ReplayCollector, recording: list[Record]
) -> None:
    """The plugin's object, arrays, NDJSON, gzip, and bare entries with `created` (kept in `raw`) give the same rows."""
    wanted = []
    for name, form in FORMS.items():
        records = form.prepare(recording)
        parts = batches(records, 500)
        send(collector, [form.make_body(part) for part in parts], [len(part) for part in parts], cluster=name)
        wanted += rows_for(records, name, form.host)
    collector.wait_settled(len(wanted))
    found = read_rows(any_dsn)
    assert_no_differences(wanted, found)
    assert_counters_equal_rows(collector, found)
