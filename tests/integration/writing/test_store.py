"""The store on real servers writes each event exactly once, whatever happens to the connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest
from psycopg import conninfo

from collector.errors import BadRowError, StoreUnavailableError
from collector.events.model.batch import Batch, DeadLetter, SeenHeartbeat
from collector.events.model.event import COLUMNS, Action, Direction, Heartbeat, MailEvent, RejectReason, Source
from collector.events.model.side_tables import AuthEvent
from collector.store import migrations
from collector.store.database.connection import translate
from collector.store.lookups.plugin_contexts import plugin_contexts
from collector.store.migrations import Migration, migrate, pending, shipped
from collector.store.writing.batch_write import PostgresStore
from tests.integration.database.lost_commits import write_without_commit, write_without_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.events.model.batch import WriteResult

NOW = int(time.time() * 1000)


def event(n: int, **columns: Any) -> MailEvent:
    """Return a row whose identity is `n`."""
    return MailEvent(
        NOW + n,
        "eu1",
        "mta1",
        f"q{n}:queued",
        Action.QUEUED,
        Source.PLUGIN,
        Direction.OUTBOUND,
        received_at=NOW,
        **columns,
    )


def rows(dsn: str, sql: str = "SELECT count(*) FROM mail_events") -> list[tuple[Any, ...]]:
    """Read rows by the test's own connection."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(sql.encode()).fetchall()


@pytest.fixture
def store(any_dsn: str) -> Iterator[PostgresStore]:
    """Yield a store on a new, migrated database."""
    made = PostgresStore(any_dsn, any_dsn)
    made.prepare()
    yield made
    made.close()


def test_a_batch_is_stored_and_all_of_it_is_new(store: PostgresStore, any_dsn: str) -> None:
    """A new batch is stored by COPY, and all its events are new."""
    written = store.write(Batch([event(n) for n in range(1500)]))
    assert len(written.new_events) == 1500
    assert rows(any_dsn) == [(1500,)]


def test_what_is_in_the_table_already_is_not_new(store: PostgresStore, any_dsn: str) -> None:
    """Merging finds the new rows of a mixed batch, and later batches use COPY again."""
    store.write(Batch([event(n) for n in range(10)]))
    written = store.write(Batch([event(n) for n in range(5, 15)]))
    assert [e.event_id for e in written.new_events] == [f"q{n}:queued" for n in range(10, 15)]
    for first in range(100, 400, 10):
        assert len(store.write(Batch([event(n) for n in range(first, first + 10)])).new_events) == 10
    assert rows(any_dsn) == [(15 + 300,)]


def test_the_same_message_at_another_time_is_another_delivery(store: PostgresStore, any_dsn: str) -> None:
    """The same message at another time or in another cluster is another row."""
    first = event(1)
    later = msgspec.structs.replace(first, time=first.time + 1)
    elsewhere = msgspec.structs.replace(first, cluster="us1")
    assert len(store.write(Batch([first, later, elsewhere])).new_events) == 3


def test_every_column_reads_back_as_written(store: PostgresStore, any_dsn: str) -> None:
    """Text with special characters, numbers at their limits, booleans and times are read back unchanged."""
    nasty = "tab\t nl\n cr\r back\\slash \\N quote\" ' % {} \u2028 \U0001f986 \x7f"
    full = event(
        1, queue_id=nasty, response=nasty, recipient=nasty, message_id=nasty, recipients=2**31 - 1, smtp_code=599,
        next_attempt=NOW + 123, size_bytes=2**63 - 1, queue_ms=0, tls_authorized=False, spam_score=-1.5,
        raw='{"a\\n": "\\t\\\\ \\u2028"}',
    )  # fmt: skip
    store.write(Batch([full]))
    got = dict(zip(COLUMNS, rows(any_dsn, f"SELECT {', '.join(COLUMNS)} FROM mail_events")[0], strict=True))
    assert got["queue_id"] == got["response"] == got["recipient"] == got["message_id"] == nasty
    assert (got["recipients"], got["smtp_code"], got["size_bytes"], got["queue_ms"]) == (2**31 - 1, 599, 2**63 - 1, 0)
    assert got["tls_authorized"] is False
    assert got["spam_score"] == -1.5
    assert got["raw"] == {"a\n": "\t\\ \u2028"}
    assert round(got["next_attempt"].timestamp() * 1000) == NOW + 123
    assert round(got["time"].timestamp() * 1000) == NOW + 1
    assert got["zone"] is None


@pytest.mark.parametrize("bad", [{"raw": "no json"}, {"size_bytes": 2**63}, {"recipient": "x\0y"}])
def test_a_row_that_the_database_refuses_is_named_as_such(
    store: PostgresStore, any_dsn: str, bad: dict[str, Any]
) -> None:
    """A row that the database refuses (SQLSTATE 22) is named, nothing of its batch is written, and
    the store goes on.
    """
    with pytest.raises(BadRowError):
        store.write(Batch([event(1), event(2, **bad)]))
    assert rows(any_dsn) == [(0,)]
    assert len(store.write(Batch([event(1)])).new_events) == 1


def test_letters_and_reports_are_written_once(store: PostgresStore, any_dsn: str) -> None:
    """Dead letters of a repeated request are written once, and an older heartbeat does not replace a newer one."""
    letter = DeadLetter("r:0", NOW, "eu1", Source.PLUGIN, RejectReason.NO_TIME, "no time", "{}")
    newer = SeenHeartbeat(Heartbeat("eu1", "mta1", "p1", "0.1.0", 10, NOW, 3), NOW)
    older = SeenHeartbeat(Heartbeat("eu1", "mta1", "p1", "0.1.0", 99, None, 1), NOW - 1000)
    store.write(Batch([], [letter], [newer]))
    store.write(Batch([], [letter], [older]))
    assert rows(any_dsn, "SELECT letter_id, reason FROM dead_letters") == [("r:0", "no_time")]
    assert store.heartbeats() == [newer]


def test_the_contexts_of_a_hosts_processes_are_joined(store: PostgresStore, any_dsn: str) -> None:
    """The contexts of a host's recent processes are joined, without plugins that name none."""
    now = time.time_ns() // 1_000_000
    reports = [
        SeenHeartbeat(Heartbeat("eu1", "mta1", "p1", "0.1.0", 0, None, 0, ("receiver",)), now),
        SeenHeartbeat(Heartbeat("eu1", "mta1", "p2", "0.1.0", 0, None, 0, ("main", "sender")), now),
        SeenHeartbeat(Heartbeat("eu1", "mta2", "p3", "0.1.0", 0, None, 0, ("sender",)), now),
        SeenHeartbeat(Heartbeat("eu1", "mta2", "p4", "0.1.0", 0, None, 0, ("main",)), now - 3_600_000),
        SeenHeartbeat(Heartbeat("eu1", "mta3", "p5", "0.0.9", 0, None, 0), now),
    ]
    store.write(Batch([], [], reports))
    with psycopg.connect(any_dsn) as connection:
        found = plugin_contexts(connection)
    assert found == {("eu1", "mta1"): {"main", "receiver", "sender"}, ("eu1", "mta2"): {"sender"}}


def test_a_lost_reply_to_commit_is_cleared_up(store: PostgresStore, any_dsn: str) -> None:
    """After a lost reply to COMMIT the repeated write finds the commit, and every event counts as new once."""
    batch = Batch([event(n) for n in range(20)])
    write_without_reply(store, batch)
    assert len(store.write(batch).new_events) == 20
    assert rows(any_dsn) == [(20,)]


def test_a_lost_reply_to_a_batch_of_records_is_cleared_up(store: PostgresStore, any_dsn: str) -> None:
    """After a lost reply, a batch of records without events counts as new once too."""
    batch = Batch(records=[AuthEvent("eu1", NOW, NOW, f"l{n}", Source.WILDDUCK, "IMAP", "fail") for n in range(3)])
    write_without_reply(store, batch)
    assert len(store.write(batch).new_records) == 3
    assert store.write(batch).new_records == []
    assert rows(any_dsn, "SELECT count(*) FROM auth_events") == [(3,)]


def test_a_commit_that_did_not_happen_is_written_again(store: PostgresStore, any_dsn: str) -> None:
    """If the connection breaks before COMMIT reaches the server, the repeated write writes the batch."""
    batch = Batch([event(n) for n in range(20)])
    write_without_commit(store, batch)
    assert len(_write_settled(store, batch).new_events) == 20
    assert rows(any_dsn) == [(20,)]


def _write_settled(store: PostgresStore, batch: Batch) -> WriteResult:
    """Write a batch again until it succeeds, as the writer does: the server may notice a lost client late."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return store.write(batch)
        except StoreUnavailableError as error:
            if error.kind != "in_doubt" or time.monotonic() > deadline:
                raise


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        ("ALTER TABLE mail_events RENAME TO elsewhere", "missing_table"),
        ("ALTER DATABASE {} SET default_transaction_read_only = on", "read_only"),
        ("ALTER TABLE mail_events RENAME COLUMN zone TO area", "missing_column"),
    ],
)
def test_what_no_row_can_help_is_for_later(store: PostgresStore, any_dsn: str, damage: str, kind: str) -> None:
    """A missing table or a read-only server is a fault of no row: the batch is kept, and the kind is named."""
    store.write(Batch([event(0)]))
    with psycopg.connect(any_dsn, autocommit=True) as connection:
        connection.execute(damage.format(connection.info.dbname).encode())
    store.close()  # a setting of the database applies to new sessions only
    with pytest.raises(StoreUnavailableError) as caught:
        store.write(Batch([event(1)]))
    assert caught.value.kind == kind


def test_another_transaction_of_the_same_number_is_no_proof(store: PostgresStore, any_dsn: str) -> None:
    """A batch is written even if another transaction got its number after a failover and committed."""
    batch = Batch([event(n) for n in range(20)])
    write_without_commit(store, batch)
    ((number,),) = rows(any_dsn, "SELECT pg_current_xact_id()::text")
    assert rows(any_dsn, f"SELECT pg_xact_status('{number}')") == [("committed",)]
    doubt = store._commits._doubt
    assert doubt is not None
    store._commits._doubt = doubt._replace(transaction=number)
    assert len(store.write(batch).new_events) == 20
    assert rows(any_dsn) == [(20,)]


def test_a_lost_reply_to_a_batch_without_new_rows_is_no_trouble(store: PostgresStore, any_dsn: str) -> None:
    """A batch without new rows is written again after a lost reply, and doubles nothing."""
    letter = DeadLetter("r:0", NOW, "eu1", Source.PLUGIN, RejectReason.NO_TIME, "no time", "{}")
    report = SeenHeartbeat(Heartbeat("eu1", "mta1", "p1", "0.1.0", 10, NOW, 3), NOW)
    store.write(Batch([event(1)]))
    batch = Batch([event(1)], [letter], [report])
    write_without_reply(store, batch)
    assert not store.write(batch).new_events
    assert rows(any_dsn, "SELECT (SELECT count(*) FROM mail_events), (SELECT count(*) FROM dead_letters)") == [(1, 1)]


WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock' AND backend_type = 'client backend'"
)
"""The query excludes TimescaleDB's own jobs, which may wait for the lock too."""


def test_a_lock_that_is_not_to_be_had_is_given_up_by_the_server_too(any_dsn: str) -> None:
    """A write that waits for a lock ends with `timeout`, and leaves no waiting backend."""
    store = PostgresStore(any_dsn, any_dsn, hang_seconds=1)
    store.prepare()
    with psycopg.connect(any_dsn) as other:
        other.execute("LOCK TABLE mail_events")
        for _ in range(2):
            with pytest.raises(StoreUnavailableError) as caught:
                store.write(Batch([event(1)]))
            assert caught.value.kind == "timeout"
            assert rows(any_dsn, WAITING) == [(0,)]
    assert len(store.write(Batch([event(1)])).new_events) == 1
    store.close()


def test_a_migration_does_not_hold_writers_up_behind_a_reader(
    store: PostgresStore, any_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration behind a long query gives up, writes go on, and a later attempt succeeds."""
    newer = Migration(9999, "9999_newer", "ALTER TABLE mail_events ADD COLUMN newer text")
    monkeypatch.setattr(migrations, "shipped", lambda: [*shipped(), newer])
    monkeypatch.setattr(migrations, "LOCK_MS", "200")
    with psycopg.connect(any_dsn) as reader:
        reader.execute("SELECT count(*) FROM mail_events")
        with pytest.raises(StoreUnavailableError) as caught:
            store.prepare()
        assert caught.value.kind == "timeout"
        assert len(store.write(Batch([event(1)])).new_events) == 1
    store.prepare()
    assert len(store.write(Batch([event(2)])).new_events) == 1


NEWER = "ALTER TABLE mail_events ADD COLUMN newer text DEFAULT 'unknown', ADD COLUMN other integer DEFAULT 1"
"""A newer version's columns, without constraint or generation, which compressed hypertables do not allow."""


def test_columns_of_a_newer_version_are_left_alone(store: PostgresStore, any_dsn: str) -> None:
    """An older version writes by COPY and merging beside columns of a newer one, which get their defaults."""
    with psycopg.connect(any_dsn, autocommit=True) as connection:
        connection.execute(NEWER)
    assert len(store.write(Batch([event(1)])).new_events) == 1
    assert len(store.write(Batch([event(1), event(2)])).new_events) == 1
    assert rows(any_dsn, "SELECT DISTINCT newer, other FROM mail_events") == [("unknown", 1)]


def test_migrations_are_applied_once(any_dsn: str) -> None:
    """A second start applies no migration and needs no right for it."""
    with psycopg.connect(any_dsn) as connection:
        assert migrate(connection) == shipped()
        assert migrate(connection) == []
        assert pending(connection) == []


def test_on_timescaledb_the_table_is_a_hypertable_of_days(timescale_dsn: str) -> None:
    """On TimescaleDB the table is a hypertable with chunks of a day (docs/storage.md)."""
    with psycopg.connect(timescale_dsn) as connection:
        migrate(connection)
        found = connection.execute(
            "SELECT hypertable_name, time_interval::text FROM timescaledb_information.dimensions"
        ).fetchall()
    assert found == [("mail_events", "1 day")]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"dbname": "nowhere"}, "missing_database"),
        ({"user": "nobody_of_that_name"}, "authentication"),
        ({"options": "-c default_transaction_read_only=on", "target_session_attrs": "read-write"}, "read_only"),
        ({"connect_timeout": "1", "host": "127.0.0.1,127.0.0.1", "port": "1,2"}, "connection"),
    ],
)
def test_why_there_is_no_connection_is_named(any_dsn: str, change: dict[str, str], kind: str) -> None:
    """The cause of a failed connection, which has no SQLSTATE, is found from libpq's or the server's message."""
    store = PostgresStore(conninfo.make_conninfo(any_dsn, **change), "")
    with pytest.raises(StoreUnavailableError) as caught:
        store.write(Batch([event(1)]))
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("53100", "disk_full"),
        ("53200", "resources"),
        ("53300", "resources"),
        ("40P01", "conflict"),
        ("57P05", "connection"),
        ("58030", "other"),
        ("XX000", "other"),
        ("42501", "permission"),
        ("3F000", "missing_table"),
        ("08P01", "connection"),
    ],
)
def test_each_sqlstate_has_a_word(sqlstate: str, kind: str) -> None:
    """Each SQLSTATE has a kind, by itself or by its class."""
    found = translate(psycopg.errors.lookup(sqlstate)("of no interest"))
    assert isinstance(found, StoreUnavailableError)
    assert found.kind == kind


def test_a_server_that_is_not_there_is_for_later(unused_tcp_port: int) -> None:
    """A refused connection is reported as `connection`, and the batch is kept."""
    store = PostgresStore(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/none", "")
    with pytest.raises(StoreUnavailableError) as caught:
        store.write(Batch([event(1)]))
    assert caught.value.kind == "connection"
