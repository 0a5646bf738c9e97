"""Inbound mail of the change stream: deliveries, and other inserts of messages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.events.border.decoding import Border, take
from collector.events.border.request_body import Body
from collector.events.model.event import Action, Direction, MailEvent, RejectReason, Source
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.events.sources.wildduck_changes import PIPELINE_STAGES
from collector.events.sources.wildduck_messages import FIELDS, stored_item
from collector.pipeline.batch import assemble
from tests.unit.events.test_authlog import NOW, VALUES, changes

P = Pseudonyms(b"a secret of the tests")
DOCUMENT: dict[str, Any] = {
    "_id": "m1",
    "root": "m1",
    "user": "u1",
    "mailbox": "b1",
    "msgid": "<1@shop.example>",
    "size": 524,
    "idate": datetime.fromtimestamp(NOW / 1000, UTC),
    "subject": "Your order",
    "meta": {"source": "MX", "from": "orders@shop.example", "to": ["alice@example.com"], "transtype": "LMTP"},
}


def rows(some: list[dict[str, Any]], **border: Any) -> list[MailEvent]:
    """Return the rows of changes."""
    items = [item for change in some if (item := stored_item(change)) is not None]
    read = Body(items, {}, is_clean=False)
    request = take(read, received_at=NOW, source=Source.CHANGE_STREAM, border=Border(bound_cluster="eu1", **border))
    batch, _ = assemble([request], {})
    assert (batch.letters, batch.records) == ([], [])
    return list(batch.events)


def inserted(**fields: Any) -> dict[str, Any]:
    return {"operationType": "insert", "fullDocument": DOCUMENT | fields}


def test_recorded_deliveries_are_stored_once() -> None:
    """The seven recorded LMTP deliveries are stored once; moves, drafts and sent mail are not."""
    found = rows(changes("messages"))
    assert [row.message_id.split(".1795")[0] for row in found if row.message_id] == [
        "<first.mail", "<two.rcpt", "<two.rcpt", "<via.alias", "<over.quota.1", "<over.quota.2", "<casino.bonus",
    ]  # fmt: skip
    assert {(row.action, row.direction, row.source, row.queue_id) for row in found} == {
        (Action.STORED, Direction.INBOUND, Source.CHANGE_STREAM, None)
    }
    assert [row.category for row in found] == [None] * 6 + ["junk"]
    assert {row.recipient for row in found} == {"alice@example.com", "bob@example.com", "alice.alias@example.com"}
    assert len({row.event_id for row in found}) == 7
    assert rows(changes("messages")) == found
    assert "hello" not in repr(found)


def test_a_delivery_is_a_row() -> None:
    """A delivery's row has the message's identity and arrival time, and nothing of its content."""
    (row,) = rows([inserted()])
    assert row == MailEvent(
        NOW,
        "eu1",
        None,
        "wd:stored:m1",
        Action.STORED,
        Source.CHANGE_STREAM,
        Direction.INBOUND,
        recipients=1,
        message_id="<1@shop.example>",
        sender="orders@shop.example",
        sender_domain="shop.example",
        recipient="alice@example.com",
        recipient_domain="example.com",
        size_bytes=524,
        raw='{"user":"u1","mailbox":"b1","transtype":"LMTP"}',
        received_at=NOW,
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"root": "m0"},
        {"draft": True},
        {"meta": {"source": "IMAP"}},
        {"meta": {"source": "API", "from": "a@b.example"}},
        {"meta": None},
    ],
    ids=["moved or copied", "draft", "appended", "sent", "strange"],
)
def test_what_did_not_come_in_is_not_stored(fields: dict[str, Any]) -> None:
    """An inserted message that did not arrive from outside is not stored."""
    assert rows([inserted(**fields)]) == []
    assert rows([inserted() | {"operationType": "update"}]) == []


def test_a_report_to_a_local_user_names_no_sender() -> None:
    """A DSN to a local user has no sender, and is inbound mail too."""
    (row,) = rows([inserted(meta={"source": "MX", "from": "", "to": ["alice@example.com"]})])
    assert (row.sender, row.direction) == (None, Direction.INBOUND)


def test_people_become_pseudonyms_and_subjects_hashes() -> None:
    """People become pseudonyms and subjects hashes."""
    (row,) = rows([inserted()], pseudonyms=P, subject_key=b"k")
    assert row.recipient == f"{P.of('alice@example.com')}@example.com"
    assert row.subject_hmac is not None
    assert row.event_id == "wd:stored:m1"
    assert not any(word in repr(row) for word in ("alice", "orders@", '"u1"', "Your order", "<1@"))


def test_the_server_is_asked_for_no_contents() -> None:
    """The projection asks the server only for the fields that the reader reads."""
    shown = PIPELINE_STAGES[-1]["$project"]
    assert {f"fullDocument.{name}" for name in FIELDS} <= set(shown)
    for name in (
        "mimeTree",
        "body",
        "text",
        "html",
        "intro",
        "headers",
        "envelope",
        "password",
        "attachments",
        "textFooter",
    ):
        assert not [path for path in shown if name in path.split(".")]


@given(st.dictionaries(st.sampled_from(sorted({*DOCUMENT, "draft", "junk"})), VALUES), VALUES)
def test_nothing_that_mongodb_can_hold_breaks_it(fields: dict[str, Any], meta: Any) -> None:
    """Any change is a row, no row, or a rejection because of its time."""
    for document in (
        DOCUMENT | fields,
        DOCUMENT | {"meta": meta},
        DOCUMENT | {"meta": {"source": "MX", "to": meta, "from": meta}},
        meta,
    ):
        item = stored_item({"operationType": "insert", "fullDocument": document})
        items = [] if item is None else [item]
        for border in (Border(), Border(pseudonyms=P, subject_key=b"k")):
            request = take(Body(items, {}, is_clean=False), received_at=NOW, source=Source.CHANGE_STREAM, border=border)
            batch, _ = assemble([request], {})
            assert len(batch.events) + len(batch.letters) == len(items)
            assert not any(letter.reason is RejectReason.UNREAD for letter in batch.letters)
