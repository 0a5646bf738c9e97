"""The store against real servers: exactly once, whatever happens to the connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest

from collector.errors import BadRowError, StoreUnavailableError
from collector.events.batch import Batch, DeadLetter, SeenReport
from collector.events.model import COLUMNS, Action, Direction, MailEvent, PluginReport, RejectReason, Source
from collector.store import PostgresStore
from collector.store.migrations import migrate, pending, shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = int(time.time() * 1000)


def event(n: int, **columns: Any) -> MailEvent:
    """A row whose identity is `n`."""
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
    """Reads past the store."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(sql.encode()).fetchall()


@pytest.fixture
def store(any_dsn: str) -> Iterator[PostgresStore]:
    """A store on a fresh, migrated database."""
    made = PostgresStore(any_dsn, any_dsn)
    made.prepare()
    yield made
    made.close()


def test_a_batch_is_stored_and_all_of_it_is_new(store: PostgresStore, any_dsn: str) -> None:
    """The direct way: every event of a fresh batch is new and in the table."""
    written = store.write(Batch([event(n) for n in range(1500)]))
    assert len(written.new_events) == 1500
    assert rows(any_dsn) == [(1500,)]


def test_what_is_in_the_table_already_is_not_new(store: PostgresStore, any_dsn: str) -> None:
    """The merging way tells the new rows of a mixed batch from the old ones, and the direct way comes back later."""
    store.write(Batch([event(n) for n in range(10)]))
    written = store.write(Batch([event(n) for n in range(5, 15)]))
    assert [e.event_id for e in written.new_events] == [f"q{n}:queued" for n in range(10, 15)]
    for first in range(100, 400, 10):
        assert len(store.write(Batch([event(n) for n in range(first, first + 10)])).new_events) == 10
    assert rows(any_dsn) == [(15 + 300,)]


def test_the_same_message_at_another_time_is_another_delivery(store: PostgresStore, any_dsn: str) -> None:
    """ZoneMTA delivers at least once: two stamps are two rows, two clusters are two rows."""
    first = event(1)
    later = msgspec.structs.replace(first, time=first.time + 1)
    elsewhere = msgspec.structs.replace(first, cluster="us1")
    assert len(store.write(Batch([first, later, elsewhere])).new_events) == 3


def test_every_column_reads_back_as_written(store: PostgresStore, any_dsn: str) -> None:
    """Text with every awkward character, numbers at their limits, booleans and times come back the same."""
    nasty = "tab\t nl\n cr\r back\\slash \\N quote\" ' % {} \u2028 \U0001f986 \x7f"
    full = event(
        1, queue_id=nasty, response=nasty, recipient=nasty, message_id=nasty, recipients=2**31 - 1, smtp_code=599,
        next_attempt=NOW + 123, size_bytes=2**63 - 1, queue_ms=0, tls_authorized=False, spam_score=-1.5, raw='{"a\\n": "\\t\\\\ \\u2028"}',
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
    """SQLSTATE 22: nothing of the batch is written, and the store works on."""
    with pytest.raises(BadRowError):
        store.write(Batch([event(1), event(2, **bad)]))
    assert rows(any_dsn) == [(0,)]
    assert len(store.write(Batch([event(1)])).new_events) == 1


def test_letters_and_reports_are_written_once(store: PostgresStore, any_dsn: str) -> None:
    """A replayed request sets nothing aside twice, and an older report does not undo a newer one."""
    letter = DeadLetter("r:0", NOW, "eu1", Source.PLUGIN, RejectReason.NO_TIME, "no time", "{}")
    newer = SeenReport(PluginReport("eu1", "mta1", "p1", "0.1.0", 10, NOW, 3), NOW)
    older = SeenReport(PluginReport("eu1", "mta1", "p1", "0.1.0", 99, None, 1), NOW - 1000)
    store.write(Batch([], [letter], [newer]))
    store.write(Batch([], [letter], [older]))
    assert rows(any_dsn, "SELECT letter_id, reason FROM dead_letters") == [("r:0", "no_time")]
    assert store.reports() == [newer]


def test_a_lost_reply_to_commit_is_cleared_up(
    store: PostgresStore, any_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server commits, the answer never comes: the repeated write finds that out, and every event counts as new once."""
    batch = Batch([event(n) for n in range(20)])
    commit = psycopg.Connection.commit

    def lose_the_reply(self: psycopg.Connection) -> None:
        commit(self)
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as cut:
        cut.setattr(psycopg.Connection, "commit", lose_the_reply)
        with pytest.raises(StoreUnavailableError):
            store.write(batch)
    assert len(store.write(batch).new_events) == 20
    assert rows(any_dsn) == [(20,)]


def test_a_commit_that_did_not_happen_is_written_again(
    store: PostgresStore, any_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes before COMMIT reaches the server: the repeated write writes."""
    batch = Batch([event(n) for n in range(20)])

    def lose_the_request(self: psycopg.Connection) -> None:
        self.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as cut:
        cut.setattr(psycopg.Connection, "commit", lose_the_request)
        with pytest.raises(StoreUnavailableError):
            store.write(batch)
    assert len(store.write(batch).new_events) == 20
    assert rows(any_dsn) == [(20,)]


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        ("ALTER TABLE mail_events RENAME TO elsewhere", "missing_table"),
        ("ALTER DATABASE {} SET default_transaction_read_only = on", "read_only"),
        ("ALTER TABLE mail_events RENAME COLUMN zone TO area", "missing_column"),
    ],
)
def test_what_no_row_can_help_is_for_later(store: PostgresStore, any_dsn: str, damage: str, kind: str) -> None:
    """A missing table or a read-only server blames no row: the batch stays whole, and the kind is named."""
    store.write(Batch([event(0)]))
    with psycopg.connect(any_dsn, autocommit=True) as connection:
        connection.execute(damage.format(connection.info.dbname).encode())
    store.close()  # a setting of the database holds for new sessions
    with pytest.raises(StoreUnavailableError) as caught:
        store.write(Batch([event(1)]))
    assert caught.value.kind == kind


def test_migrations_are_applied_once(any_dsn: str) -> None:
    """A second start has nothing to apply, and needs no rights for it."""
    with psycopg.connect(any_dsn) as connection:
        assert migrate(connection) == shipped()
        assert migrate(connection) == []
        assert pending(connection) == []


def test_on_timescaledb_the_table_is_a_hypertable_of_days(timescale_dsn: str) -> None:
    """Chunks are one day (design: "Events")."""
    with psycopg.connect(timescale_dsn) as connection:
        migrate(connection)
        found = connection.execute(
            "SELECT hypertable_name, time_interval::text FROM timescaledb_information.dimensions"
        ).fetchall()
    assert found == [("mail_events", "1 day")]


def test_a_server_that_is_not_there_is_for_later(unused_tcp_port: int) -> None:
    """Connection refused is `connection`, not an exception of the driver."""
    store = PostgresStore(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/none", "")
    with pytest.raises(StoreUnavailableError) as caught:
        store.write(Batch([event(1)]))
    assert caught.value.kind == "connection"
