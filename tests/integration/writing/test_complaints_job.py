"""The job that searches for the messages of complaints: without a lock, less and less often, within its time."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from collector.jobs.complaints import LOOKED_FOR
from collector.metrics import Metrics
from collector.store.backup.reconciliation import DecisionInput, Reconciler
from collector.store.writing import takeover
from tests.integration.writing.test_inbound import COMPLAINT, MESSAGE, complain, complaints, mail, rows, store
from tests.oracle.made_up import NOW
from tests.oracle.reports import report
from tests.servers.process import wait_until
from tests.unit.events.entries import ACCEPTED, changed

if TYPE_CHECKING:
    from tests.integration.house import House

pytestmark = pytest.mark.servers

GATE = 4711
"""The number of the test's advisory lock."""

HELD_UP = f"""
CREATE SCHEMA held_up;
CREATE FUNCTION held_up.passes() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock_shared({GATE}), pg_advisory_unlock_shared({GATE});
    RETURN true;
END $$;
CREATE VIEW held_up.mail_events AS
SELECT * FROM public.mail_events WHERE CASE WHEN queue_id IS NULL THEN true ELSE held_up.passes() END
"""
"""A `mail_events` in another schema, in which a search finds rows only when the gate opens."""

REFUSING = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
CREATE TRIGGER refusing BEFORE UPDATE ON mail_events FOR EACH ROW WHEN (NEW.message_id = '<m1@of.example>') EXECUTE FUNCTION refuse()
"""  # noqa: E501 - one SQL statement, as the server gets it
NEWEST = (
    "UPDATE mail_events SET received_at = received_at + interval '1 second' "
    "WHERE message_id = '<m1@of.example>' AND action = 'complained'"
)

ADVISORY = (
    f"SELECT count(*) FILTER (WHERE objid = {GATE} "
    f"AND NOT granted), count(*) FILTER (WHERE objid = {takeover.LOCK_KEY})"
    " FROM pg_locks WHERE locktype = 'advisory'"
)


WAITING = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {takeover.LOCK_KEY} AND NOT granted"


def queue_id(number: int) -> str:
    """Return the queue id of `other_message`."""
    return f"1a20bd7ba7a0{number:06x}"


def other_message(number: int) -> list[object]:
    """Return a delivery with a unique Message-ID."""
    return mail(changed(ACCEPTED, id=queue_id(number), messageId=f"<m{number}@of.example>"))


def about(number: int) -> bytes:
    """Return a complaint about it."""
    return report(original=f"Message-ID: <m{number}@of.example>\n\n")


def matched(house: House) -> list[str]:
    """Return the queue ids that complaints have found."""
    return sorted(row[0] for row in rows(house, COMPLAINT) if row[0] is not None)


def test_a_search_holds_up_neither_reconciliation_nor_the_writer(house: House, any_dsn: str) -> None:
    """A search holds no lock that reconciliation or the writer needs."""
    store(house, mail(*MESSAGE))
    complain(house, report())
    house.connection.execute(HELD_UP.encode())
    with (
        psycopg.connect(any_dsn, autocommit=True) as gate,
        psycopg.connect(any_dsn, autocommit=True, options="-c search_path=held_up,public") as searching,
    ):
        gate.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        search = threading.Thread(target=complaints().run, args=(searching, NOW, lambda: False))
        search.start()
        try:
            wait_until(lambda: rows(house, ADVISORY)[0][0] == 1, "the search is held up")
            assert rows(house, ADVISORY) == [(1, 0)]
            Reconciler().reconcile(house.connection, DecisionInput(NOW, {}, None))
            store(house, other_message(1))
        finally:
            gate.execute("SELECT pg_advisory_unlock(%s)", (GATE,))
            search.join()
    assert matched(house) == [ACCEPTED["id"]]


def test_a_message_that_has_gone_by_then_is_not_told_of(house: House, any_dsn: str) -> None:
    """A found message that a take-over or retention removed meanwhile is not used, because it is checked under the
    lock.
    """
    store(house, mail(*MESSAGE))
    complain(house, report())
    with (
        psycopg.connect(any_dsn, autocommit=True) as other,
        psycopg.connect(any_dsn, autocommit=True) as searching,
    ):
        other.execute("SELECT pg_advisory_lock(%s)", (takeover.LOCK_KEY,))
        search = threading.Thread(target=complaints().run, args=(searching, NOW, lambda: False))
        search.start()
        try:
            wait_until(lambda: rows(house, WAITING) == [(1,)], "the message is found")
            other.execute("DELETE FROM mail_events WHERE action <> 'complained'")
        finally:
            other.execute("SELECT pg_advisory_unlock(%s)", (takeover.LOCK_KEY,))
            search.join()
    assert matched(house) == []


def test_a_message_id_that_is_no_messages_leaves_the_x_fbl(house: House) -> None:
    """A Message-ID that matches no message does not hide the X-FBL, also if an earlier complaint had the same."""
    store(house, mail(changed(ACCEPTED, fbl="list:7")))
    for reporter in ("one@isp.example", "two@other.example"):
        complain(house, report(sender=reporter, original="Message-ID: <relay@isp.example>\nX-FBL: list:7\n\n"))
        complaints().run(house.connection, NOW, lambda: False)
    assert matched(house) == [ACCEPTED["id"]] * 2


def test_what_is_not_found_is_looked_for_less_and_less_often(house: House) -> None:
    """A complaint without message is searched for after 15 s, 30 s and so on up to an hour; a new one at once."""
    clock = [0.0]
    job = complaints(clock=lambda: clock[0])
    waits = [15 * 2**turn for turn in range(8)] + [3600, 3600]
    complain(house, about(0))
    asked = [float(sum(waits[:turn])) for turn in range(len(waits) + 1)]
    for clock[0] in asked[:-1]:
        job.run(house.connection, NOW, lambda: False)
    store(house, other_message(0))
    store(house, other_message(1))
    complain(house, about(1))
    clock[0] = asked[-1] - 1
    job.run(house.connection, NOW, lambda: False)
    assert matched(house) == [queue_id(1)]
    clock[0] = asked[-1]
    job.run(house.connection, NOW, lambda: False)
    assert matched(house) == [queue_id(0), queue_id(1)]


def test_a_run_ends_when_it_is_over_and_the_next_goes_on(house: House) -> None:
    """A run ends after its time with the search under way, and the next run continues with the others."""
    job, overs = complaints(), iter([False, True, *[False] * 9])
    for number in range(3):
        store(house, other_message(number))
        complain(house, about(number))
    job.run(house.connection, NOW, lambda: next(overs))
    assert len(matched(house)) == 1
    job.run(house.connection, NOW, lambda: next(overs))
    assert len(matched(house)) == 3


def test_one_that_fails_lets_the_others_have_their_turn(house: House) -> None:
    """A failing search ends the run, and the next run continues with the others."""
    job = complaints()
    for number in range(2):
        store(house, other_message(number))
        complain(house, about(number))
    house.connection.execute(NEWEST)
    house.connection.execute(REFUSING.encode())
    with pytest.raises(psycopg.errors.RaiseException):
        job.run(house.connection, NOW, lambda: False)
    job.run(house.connection, NOW, lambda: False)
    assert len(matched(house)) == 1


def counted(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Return the counted complaints by cluster and provider."""
    return {
        (sample.labels["mail_cluster"], sample.labels["provider"]): sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "duckwatch_mail_complaints_total"
    }


def test_each_complaint_is_counted_when_its_search_ends(house: House) -> None:
    """A complaint counts under its message's provider when that is found, as `none` when the search ends, and at once
    when it names no message; the sum is the number of complaints, as the table has them.
    """
    metrics = Metrics()
    job = complaints(metrics)
    store(house, mail(changed(ACCEPTED, mx="aspmx.l.google.com")))
    complain(house, report())  # of the message above
    complain(house, about(1))
    complain(house, report(original="\n\n"))
    for _ in range(2):
        complain(house, about(2), "us1")
    job.run(house.connection, NOW, lambda: False)
    assert counted(metrics) == {("eu1", "google"): 1, ("eu1", "none"): 1}
    assert rows(house, "SELECT cluster FROM pending_complaints ORDER BY 1") == [("eu1",), ("us1",)]
    job.run(house.connection, NOW + LOOKED_FOR - timedelta(milliseconds=1), lambda: False)
    assert sum(counted(metrics).values()) == 2
    for _ in range(2):
        job.run(house.connection, NOW + LOOKED_FOR, lambda: False)
    assert counted(metrics) == {("eu1", "google"): 1, ("eu1", "none"): 2, ("us1", "none"): 1}
    assert rows(house, "SELECT count(*) FROM mail_events WHERE action = 'complained'") == [(4,)]
    assert rows(house, "SELECT count(*) FROM pending_complaints") == [(0,)]


def test_a_restart_neither_doubles_nor_forgets_complaints(house: House) -> None:
    """A new process counts what the one before it had not counted, also after days without a collector, and no more."""
    first, second = Metrics(), Metrics()
    for number in range(6):
        complain(house, about(number))
    for number in range(2):
        store(house, other_message(number))
    complaints(first).run(house.connection, NOW, lambda: False)
    for number in range(6):  # the journal is replayed
        complain(house, about(number))
    for number in range(2, 4):
        store(house, other_message(number))
    later = complaints(second)
    later.run(house.connection, NOW, lambda: False)
    later.run(house.connection, NOW + timedelta(days=9), lambda: False)
    complaints(second).run(house.connection, NOW + timedelta(days=9), lambda: False)
    assert counted(first) == {("eu1", "other"): 2}
    assert counted(second) == {("eu1", "other"): 2, ("eu1", "none"): 2}


def test_a_complaint_that_an_earlier_version_stored_is_counted_when_it_is_found(house: House) -> None:
    """During an upgrade the version before stores complaints without a note."""
    metrics = Metrics()
    complain(house, about(0))
    store(house, other_message(0))
    house.connection.execute("DELETE FROM pending_complaints")
    for _ in range(2):
        complaints(metrics).run(house.connection, NOW, lambda: False)
    assert counted(metrics) == {("eu1", "other"): 1}
