"""Chunks compressed by TimescaleDB Community: people, late batches and traces work, and few rows are decompressed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest
from psycopg import sql

from bench.traces import TRACES
from collector.config import CollectorSettings as Section
from collector.config.model import RetentionSettings
from collector.events.model.batch import Batch
from collector.events.model.event import Action, Direction, MailEvent, Source
from collector.finding import Status
from collector.operations.doctor.installation import Installation
from collector.operations.doctor.policies import policies
from collector.store.database.sql import query
from collector.store.migrations import migrate
from collector.store.people.spelling import Person
from collector.store.people.subjects import People
from collector.store.schema.layout import lay_out
from collector.store.writing.batch_write import PostgresStore
from collector.store.writing.copy_text import timestamp
from tests.integration.database.lost_commits import write_without_reply
from tests.integration.house import House, stop_policies
from tests.integration.rollups.test_community import insert, refresh, run_policies
from tests.integration.writing.test_inbound import complaints
from tests.integration.writing.test_reconciliation import AllSources, told
from tests.oracle.made_up import DAY, HOUR, some
from tests.oracle.rollups import assert_equal, read_events
from tests.servers.fixtures import community_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.community import Community
    from tests.servers.given import GivenCommunity, GivenServer

pytestmark = pytest.mark.servers

JANE = Person.of("janedoe@x.example", None)
NOW = int(datetime.now(UTC).timestamp() * 1000)
ABOUT: dict[str, Any] = {"recipient": "JaneDoe@x.example", "message_id": "<m1@x.example>", "response": "550 no janedoe"}
QUOTING: dict[str, Any] = {"recipient": "bob@y.example", "response": "250 copied to <janedoe@x.example>"}


def made_up(count: int, seed: int) -> list[MailEvent]:
    """Return events of two compressed days, each with its own recipient and message; two name a person."""
    plain = some(count, NOW - 6 * DAY, NOW - 4 * DAY, seed)
    events = [
        msgspec.structs.replace(one, recipient=f"u{n}-{seed}@y.example", message_id=f"<{n}.{seed}@y.example>")
        for n, one in enumerate(plain)
    ]
    return [msgspec.structs.replace(events[0], **ABOUT), msgspec.structs.replace(events[1], **QUOTING), *events[2:]]


def compress(connection: psycopg.Connection) -> None:
    """Compress the chunks as the policy does."""
    connection.execute("SELECT compress_chunk(chunk) FROM show_chunks('mail_events') AS chunk")


def unpacked(connection: psycopg.Connection) -> list[str]:
    """Return the ids of the rows that are not compressed."""
    chunks = connection.execute("SELECT show_chunks('mail_events')::text").fetchall()
    return [row[0] for (chunk,) in chunks for row in connection.execute(f"SELECT event_id FROM ONLY {chunk}".encode())]


EVENTS = made_up(300, seed=1)

LITTLE = "SET timescaledb.max_tuples_decompressed_per_dml_transaction = 60"
"""A limit below the number of rows, as the default of 100,000 is in a real table."""


def prepare(connection: psycopg.Connection) -> None:
    """Make the whole layout that a start makes."""
    connection.execute("CREATE EXTENSION timescaledb")
    migrate(connection)
    lay_out(connection, RetentionSettings(), datetime.now(UTC))
    stop_policies(connection)


@pytest.fixture(scope="module")
def packed(server_logs: Path, given: GivenServer | None) -> Iterator[Community | GivenCommunity]:
    """Return a database with EVENTS in compressed chunks, without open connections."""
    for database in community_database(server_logs, given):
        with database.connect() as connection:
            prepare(connection)
            connection.commit()
            connection.autocommit = True
            insert(connection, EVENTS)
            run_policies(connection, "policy_compression")
            assert unpacked(connection) == []
        yield database


def test_a_message_is_traced_by_what_is_known_of_each_batch(packed: Community | GivenCommunity) -> None:
    """A trace decompresses only the message's batches, found by bounds (queue id) or Bloom filters (other fields)."""
    wanted = EVENTS[7]
    known = {
        "queue_id": wanted.event_id.partition(":")[0],
        "message_id": wanted.message_id,
        "recipient": wanted.recipient,
    }
    with packed.connect() as connection:
        for by, trace in TRACES.items():
            found = connection.execute(trace, known).fetchall()
            assert [row[:2] for row in found] == [
                (datetime.fromtimestamp(wanted.time / 1000, UTC), wanted.action.value)
            ]
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {trace}".encode(), known))
            assert "_ts_meta" in plan, plan
            assert ("bloom1_contains" in plan) == (by != "queue_id"), plan


def test_a_person_is_found_and_forgotten_and_little_is_unpacked(packed: Community | GivenCommunity) -> None:
    """A person's rows are found and forgotten, and only rows of their segments are decompressed."""
    people = People(packed.dsn)
    assert len(list(people.rows(JANE))) == 2
    assert people.forget(JANE)["mail_events"] == 2
    assert list(people.rows(JANE)) == []
    with packed.connect() as connection:
        left = connection.execute("SELECT count(*), count(recipient), count(message_id) FROM mail_events").fetchone()
        assert left == (300, 300, 299)
        beside = set(unpacked(connection))
        segments = {(one.cluster, one.action) for one in EVENTS[:2]}
        near = {one.event_id for one in EVENTS if (one.cluster, one.action) in segments}
        assert {one.event_id for one in EVENTS[:2]} <= beside <= near
        compress(connection)
        assert unpacked(connection) == []
        assert connection.execute("SELECT count(*) FROM mail_events WHERE response ~ 'janedoe'").fetchone() == (0,)


def test_the_same_events_again_are_no_new_rows(packed: Community | GivenCommunity) -> None:
    """Repeated events are not stored again, late ones are, and the roll-ups equal the rows."""
    with packed.connect(autocommit=True) as connection:
        assert insert(connection, EVENTS[:100]) == 0
        assert insert(connection, some(50, NOW - 6 * DAY, NOW - 4 * DAY, seed=2)) == 50
        refresh(connection)
        assert len(read_events(connection)) == len(EVENTS) + 50
        assert_equal(connection)


def test_one_row_is_changed_by_its_key_within_what_may_be_unpacked(packed: Community | GivenCommunity) -> None:
    """A take-over or a complaint changes one row by its key; a join would decompress every chunk."""
    gone, complaint = EVENTS[20], EVENTS[21]
    message = dict.fromkeys(
        ("auth_user", "sender", "sender_domain", "zone", "provider", "local_ip", "recipient_domain")
    )
    row = {"cluster": complaint.cluster, "event_id": complaint.event_id, "time": timestamp(complaint.time)}
    with packed.connect(autocommit=True) as connection:
        compress(connection)
        connection.execute(LITTLE)
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            connection.execute("DELETE FROM mail_events USING unnest(ARRAY['x']) AS id WHERE event_id = id")
        connection.execute(query("delete_row"), (gone.cluster, gone.event_id, timestamp(gone.time)))
        connection.execute(
            query("complete_complaint"), {**message, **row, "queue_id": "q", "seq": "001", "recipient": "x"}
        )
        left = connection.execute(
            "SELECT event_id, queue_id, recipient FROM mail_events WHERE event_id = ANY (%s)",
            ([gone.event_id, complaint.event_id],),
        ).fetchall()
        assert left == [(complaint.event_id, "q", complaint.recipient)]


def test_a_complaint_finds_its_message_within_what_may_be_unpacked(packed: Community | GivenCommunity) -> None:
    """A complaint finds its compressed message within the limit: Bloom filters exclude the other batches."""
    delivered: dict[str, Any] = {
        "event_id": "q7.001:delivered",
        "queue_id": "q7",
        "seq": "001",
        "message_id": "<m7@x.example>",
    }
    message = msgspec.structs.replace(EVENTS[30], action=Action.DELIVERED, direction=Direction.OUTBOUND, **delivered)
    complaint = MailEvent(
        NOW, message.cluster, None, "arf:7", Action.COMPLAINED, Source.ARF, Direction.OUTBOUND,
        message_id=message.message_id, received_at=NOW
    )  # fmt: skip
    looked_for = {"value": message.message_id, "cluster": message.cluster, "rows": 2000}
    with packed.connect(autocommit=True) as connection:
        insert(connection, [message, complaint])
        compress(connection)
        for column in ("message_id", "fbl_id"):
            search = f"EXPLAIN {query('messages_by').format(column=column)}"
            plan = "\n".join(row[0] for row in connection.execute(search.encode(), looked_for))
            assert f"bloom1_contains(_ts_meta_v2_bloom1_{column}" in plan, plan
        connection.execute(LITTLE)
        complaints().run(connection, datetime.fromtimestamp(NOW / 1000, UTC), lambda: False)
        found = connection.execute("SELECT queue_id, seq, recipient FROM mail_events WHERE action = 'complained'")
        assert found.fetchall() == [("q7", "001", message.recipient)]


def test_the_doctor_tells_of_a_policy_that_fails(packed: Community | GivenCommunity, given: GivenServer | None) -> None:
    """`doctor` reports a policy that fails or has never run, with the work that is left."""
    if given is not None:
        pytest.skip("the jobs of the server that is given run as they do")
    with packed.connect(autocommit=True) as connection:
        connection.execute("SELECT alter_job(job_id, scheduled => true) FROM timescaledb_information.jobs")
        connection.execute(
            "INSERT INTO _timescaledb_internal.bgw_job_stat"
            " SELECT job_id, now() - interval '3 min', now(), now(), '-infinity', false, 7, '1 s', '1 s', 0, 7, 0, 7, 0"
            " FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression'"
        )
    patient = Installation(Section.model_validate({"database": {"dsn": packed.dsn}}), None)
    failing, never = policies(patient)
    patient.close()
    assert failing.status is Status.FAULT
    assert failing.what.startswith("the columnstore policy of mail_events (job ")
    assert failing.what.endswith("(7 of 7 runs failed, none was good): events stay uncompressed")
    assert (never.status, never.what) == (Status.WARNING, "11 of 12 jobs have not run yet")


def test_the_writer_takes_late_and_repeated_batches(given: GivenServer | None, packed: GivenCommunity) -> None:
    """The writer stores late batches, not repeated ones, and of a mixed batch the new rows."""
    if given is None or not given.is_community:
        pytest.skip("the tests' own server has no COPY: a Community server by DUCKWATCH_TEST_DSN has")
    first, late = made_up(3000, seed=3), made_up(500, seed=4)
    store = PostgresStore(packed.dsn, packed.dsn)
    with packed.connect(autocommit=True) as connection:
        store.write(Batch(first))
        compress(connection)
        assert not store.write(Batch(first)).new_events
        assert unpacked(connection) == []
        assert len(store.write(Batch([*late, *first[:100]])).new_events) == 500
        compress(connection)
        assert not store.write(Batch([*late, *first])).new_events
        store.close()
        refresh(connection, NOW - 7 * DAY, NOW + HOUR)
        assert_equal(connection)


def test_a_lost_reply_to_the_commit_of_a_late_batch_is_cleared_up(
    given: GivenServer | None, packed: GivenCommunity
) -> None:
    """A late batch with a lost reply is written again without doubling, because compressed rows show no xmin."""
    if given is None or not given.is_community:
        pytest.skip("the tests' own server has no COPY: a Community server by DUCKWATCH_TEST_DSN has")
    late = made_up(100, seed=5)
    store = PostgresStore(packed.dsn, packed.dsn)
    with packed.connect(autocommit=True) as connection:
        compress(connection)
        before = len(read_events(connection))
        write_without_reply(store, Batch(late))
        assert not store.write(Batch(late)).new_events
        assert len(read_events(connection)) == before + 100
    store.close()


def test_the_plugin_takes_over_rows_in_compressed_chunks(given: GivenServer | None, packed: GivenCommunity) -> None:
    """The plugin takes over rows in compressed chunks, however few rows may be decompressed at once."""
    if given is None or not given.is_community:
        pytest.skip("the tests' own server has no COPY: a Community server by DUCKWATCH_TEST_DSN has")
    with packed.connect(autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} " + LITTLE).format(name))
        roads = AllSources(House(packed.dsn))
        roads.tell(told(Source.BOUNCE, Action.BOUNCED))
        roads.reconcile()
        compress(connection)
        assert ("q1", "001", "bounced", "bounce") in roads.rows()
        roads.tell(told(Source.PLUGIN, Action.BOUNCED))
        assert [row for row in roads.rows() if row[0] == "q1"] == [("q1", "001", "bounced", "plugin")]
        roads.house.close()
