"""*Message trace*: an id, a recipient or a sender finds the whole message; all but the sender use an index."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.rows import dict_row

from collector.events.model.batch import Batch
from collector.events.model.event import Action, Direction, MailEvent, Source
from grafana.queries import load_query
from tests.oracle.made_up import DAY, HOUR, some
from tests.unit.grafana.macros import expand

if TYPE_CHECKING:
    from tests.integration.house import House

pytestmark = pytest.mark.servers

END = int(time.time()) * 1000
QUEUED = (END - 9 * DAY) // HOUR * HOUR
QUEUE_ID = "19a3b1c4d5e0007abc"
REPORT_ID = "19a3b1c4d5e0007def"
MESSAGE_ID = "<Mixed.Case@Shop.example>"


def event(seconds: int, action: Action, seq: str | None = None, **columns: Any) -> MailEvent:
    """Return an event of the message, this many seconds after it was queued."""
    at = QUEUED + 1000 * seconds
    event_id = f"{QUEUE_ID}{f'.{seq}' if seq else ''}:{action}{f':{seconds}' if action is Action.DEFERRED else ''}"
    known: dict[str, Any] = {"queue_id": QUEUE_ID, "message_id": MESSAGE_ID, "sender": "news@shop.example"}
    return MailEvent(
        at, "eu1", "mta1", event_id, action, Source.PLUGIN, Direction.OUTBOUND, seq=seq, received_at=at,
        **known | columns,
    )  # fmt: skip


ANN, BOB, CAT = {"recipient": "ann@a.example"}, {"recipient": "Bob@b.example"}, {"recipient": "cat@c.example"}
LIFE = [
    event(0, Action.QUEUED),
    event(2, Action.DELIVERED, "001", **ANN),
    event(3, Action.DEFERRED, "002", **BOB, response="450 4.2.1 later"),
    event(600, Action.BOUNCED, "002", **BOB, response="550 5.1.1 no", raw=f'{{"bounceId":"{REPORT_ID}"}}'),
    event(650, Action.RELEASED, "003", **CAT),
    MailEvent(
        QUEUED + 700_000, "eu1", None, "c:1:complained", Action.COMPLAINED, Source.ARF, Direction.OUTBOUND,
        message_id=MESSAGE_ID, received_at=QUEUED,
    ),
]  # fmt: skip
NAMES = [QUEUE_ID, f" {QUEUE_ID.upper()}", MESSAGE_ID, MESSAGE_ID.strip("<>")]


@pytest.fixture(scope="module")
def stored(shared_house: House) -> House:
    """A database with the message among others, one of which has a queue id that begins with the same letters."""
    near = [
        MailEvent(
            QUEUED, "eu1", "mta1", f"{QUEUE_ID}0:queued", Action.QUEUED, Source.PLUGIN, Direction.OUTBOUND,
            queue_id=f"{QUEUE_ID}0", sender="other@shop.example", received_at=QUEUED,
        )
    ]  # fmt: skip
    shared_house.store.write(Batch([*some(2000, END - 10 * DAY, END, seed=6), *near, *LIFE]))
    shared_house.connection.execute("ANALYZE mail_events")
    shared_house.only_read()
    return shared_house


def ask(house: House, name: str, typed: str, *, days: int = 1, interval: str = "10s") -> list[dict[str, Any]]:
    """Return the query's rows for the typed text. The range is the `days` up to now."""
    end = datetime.fromtimestamp(END / 1000, tz=UTC)
    sent = expand(
        load_query(name),
        start=end - timedelta(days=days),
        end=end,
        interval=interval,
        values=("eu1", "us1"),
        text=typed,
    )
    with house.connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sent.encode()).fetchall()


@pytest.mark.parametrize("typed", NAMES)
def test_the_life_of_a_message_is_whole(stored: House, typed: str) -> None:
    """A queue id or Message-ID gives all events in order, also outside of the range and without queue id."""
    rows = ask(stored, "trace/life", typed)
    assert [(row["action"], row["recipient"], row["response"]) for row in rows] == [
        (one.action, one.recipient, one.response) for one in LIFE
    ]
    assert [row["bounce_id"] for row in rows] == [None, None, None, REPORT_ID, None, None]


def test_one_recipient_of_a_message(stored: House) -> None:
    """Queue id and `seq` give the recipient's events and those of the whole message."""
    rows = ask(stored, "trace/life", f"{QUEUE_ID}.002")
    assert [(row["action"], row["seq"]) for row in rows] == [
        ("queued", None), ("deferred", "002"), ("bounced", "002"), ("complained", None),
    ]  # fmt: skip


@pytest.mark.parametrize("typed", [*NAMES, "ann@a.example", "<ANN@A.example>", "Bob@b.example"])
def test_a_message_is_found(stored: House, typed: str) -> None:
    """A queue id, Message-ID or recipient finds the message once, with its outcomes and the range of its timeline."""
    (row,) = [row for row in ask(stored, "trace/found", typed) if row["message"] == QUEUE_ID]
    assert (row["sender"], row["recipients"], row["delivered"], row["deferred"], row["bounced"]) == (
        "news@shop.example", 3, 1, 1, 1,
    )  # fmt: skip
    assert int(row["from_ms"]) < QUEUED
    assert int(row["to_ms"]) > QUEUED + 600_000


def test_a_sender_is_found_within_the_range(stored: House) -> None:
    """A sender finds its message only within the range, because senders have no index."""
    assert ask(stored, "trace/found", "news@shop.example") == []
    assert [row["message"] for row in ask(stored, "trace/found", "News@Shop.example", days=12)] == [QUEUE_ID]


def test_the_timeline_has_a_line_for_each_recipient(stored: House) -> None:
    """Each line begins when the message is queued, and has the recipient's last state at each event of any of them."""
    rows = ask(stored, "trace/timeline", QUEUE_ID, interval="1s")
    found = [(round(row["time"].timestamp() * 1000 - QUEUED) // 1000, row["metric"], row["state"]) for row in rows]
    expected = {
        0: {"Bob@b.example": 0, "ann@a.example": 0, "cat@c.example": 0},
        2: {"Bob@b.example": 0, "ann@a.example": 2, "cat@c.example": 0},
        3: {"Bob@b.example": 1, "ann@a.example": 2, "cat@c.example": 0},
        600: {"Bob@b.example": 3, "ann@a.example": 2, "cat@c.example": 0},
        650: {"Bob@b.example": 3, "ann@a.example": 2, "cat@c.example": 4},
    }
    assert sorted(found) == [(at, person, state) for at, line in expected.items() for person, state in line.items()]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    wide = [row["state"] for row in ask(stored, "trace/timeline", QUEUE_ID, interval="1h")]
    assert sorted(wide) == [2, 3, 4]


@pytest.mark.parametrize("typed", [QUEUE_ID, MESSAGE_ID, "ann@a.example"])
@pytest.mark.parametrize("name", ["trace/life", "trace/timeline", "trace/found"])
def test_a_trace_by_id_reads_no_table_whole(stored: House, name: str, typed: str) -> None:
    """The executed plan has no sequential scan of events, and reads them by time only for an address."""
    end = datetime.fromtimestamp(END / 1000, tz=UTC)
    sent = expand(load_query(name), start=end - timedelta(days=1), end=end, interval="10s", values=("eu1",), text=typed)
    with stored.connection.transaction():
        stored.connection.execute("SET LOCAL enable_seqscan = off")
        (plan,), *_ = stored.connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sent}".encode()).fetchall()
    read = list(nodes(plan[0]["Plan"]))
    assert [
        one for one in read if one["Node Type"] == "Seq Scan" and "mail_events" in one.get("Relation Name", "")
    ] == []
    assert {"mail_events_identity", "mail_events_message_id", "mail_events_recipient_time"} & {
        name
        for one in read
        for name in ("mail_events_identity", "mail_events_message_id", "mail_events_recipient_time")
        if one.get("Index Name", "").endswith(name)
    }
    if typed != "ann@a.example":
        assert not any(one.get("Index Name", "").endswith("mail_events_time") for one in read)


def nodes(plan: dict[str, Any]) -> Any:
    """Yield each node of the plan that was executed."""
    if plan["Actual Loops"]:
        yield plan
        for part in plan.get("Plans", []):
            yield from nodes(part)
