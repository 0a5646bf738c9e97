"""WildDuck's webhooks at the border: stored fields, pseudonyms, and secrets that are never kept."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import TooLargeError, UnreadableError
from collector.events.border.decoding import Border
from collector.events.model.event import Action, Direction, MailEvent, RejectReason, Source, Submission
from collector.events.model.side_tables import AuditEvent
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.events.sources.wildduck import read_webhooks, without_secrets
from collector.pipeline.batch import assemble
from tests.oracle.recording import FIXTURES, read_lines
from tests.unit.events.entries import NOW

RECORDED: list[dict[str, Any]] = [line["body"] for line in read_lines(FIXTURES / "wildduck-webhooks.jsonl")]
P = Pseudonyms(b"a secret of the tests")
MARKED: dict[str, Any] = {
    "id": "6b051731bb7cd0c6d7213c2b:1",
    "time": NOW,
    "ev": "marked.spam",
    "user": "6b05172ebb7cd0c6d7213bf5",
    "mailbox": "6b05172ebb7cd0c6d7213bfa",
    "message": 2,
    "from": {"address": "orders@Shop.example", "name": "Jane Shop"},
    "to": [{"address": "alice@example.com", "name": "Alice"}],
    "messageId": "<1@shop.example>",
    "subject": "Your order",
    "date": "2026-11-24T04:48:48.385Z",
}


def posted(body: Any, **border: Any) -> Submission:
    return read_webhooks(json.dumps(body).encode(), received_at=NOW, border=Border(**border))


def rows(body: Any, **border: Any) -> tuple[list[AuditEvent], list[MailEvent]]:
    """Return the rows of a webhook, and assert that it is not rejected."""
    request = posted(body, **border)
    assert request.rejections == []
    batch, _ = assemble([request], {})
    assert batch.letters == []
    return [row for row in batch.records if isinstance(row, AuditEvent)], list(batch.events)


def test_every_recorded_webhook_is_kept_once() -> None:
    """Each recorded webhook, sent by two registrations with retries, is kept once."""
    requests = [posted(body) for body in RECORDED]
    batch, repeated = assemble(requests, {})
    happened = {(b["ev"], b["time"], b.get("user")) for b in RECORDED}
    assert len(batch.records) == len(happened) < len(RECORDED)
    assert repeated[Source.WILDDUCK] >= len(RECORDED) - len(happened)
    assert {row.ev for row in batch.records if isinstance(row, AuditEvent)} == {b["ev"] for b in RECORDED}
    marks = sorted(event.action for event in batch.events)
    assert marks == [Action.MARKED_HAM, Action.MARKED_SPAM, Action.MARKED_SPAM]


def test_a_mark_is_a_row_of_both_tables() -> None:
    """A user's mark of spam or ham is a row of both tables, without names and subject."""
    (audit,), (event,) = rows(MARKED, bound_cluster="eu1")
    identity = f"wd:marked.spam:{NOW}:{MARKED['user']}:{MARKED['mailbox']}:2"
    assert audit.key == ("eu1", identity, NOW)
    assert (audit.user_id, audit.mailbox, audit.message) == (MARKED["user"], MARKED["mailbox"], "2")
    assert (event.event_id, event.action, event.source) == (identity, Action.MARKED_SPAM, Source.WILDDUCK)
    assert (event.direction, event.queue_id, event.recipients) == (Direction.INBOUND, None, 1)
    assert (event.sender, event.sender_domain) == ("orders@Shop.example", "shop.example")
    assert (event.recipient, event.message_id) == ("alice@example.com", "<1@shop.example>")
    for raw in (audit.raw, event.raw):
        assert raw is not None
        assert not any(word in raw for word in ("Your order", "Jane Shop", "Alice"))


def test_what_tells_webhooks_apart_is_not_their_id() -> None:
    """A webhook's id does not identify it: another registration's copy is the same row, another filter is not."""
    (one,), _ = rows(MARKED)
    (other,), _ = rows(MARKED | {"id": "another:2"})
    assert one == other
    filters = [{"ev": "filter.created", "time": NOW, "user": "u", "filter": name} for name in "ab"]
    assert len(rows(filters)[0]) == 2


def test_a_word_of_tomorrow_is_kept() -> None:
    """An unknown kind of webhook is kept, with other fields in raw."""
    body = {"ev": "user.levitated", "time": NOW, "user": 7, "height": {"m": [1, 2.5]}, "action": "up"}
    (audit,), events = rows(body)
    assert (audit.ev, audit.user_id, audit.raw, events) == ("user.levitated", "7", '{"height":{"m":[1,2.5]}}', [])


def test_subjects_are_hashed_where_that_is_set() -> None:
    """With a key subjects are hashed, as in ZoneMTA's entries."""
    _, (event,) = rows(MARKED, subject_key=b"k")
    _, (plain,) = rows(MARKED)
    assert event.subject_hmac is not None
    assert plain.subject_hmac is None
    assert "Your order" not in repr(event)


@pytest.mark.parametrize(
    "name",
    ["password", "newPassword", "pass", "hash", "tempPassword", "totpSecret", "token", "accessToken", "key", "apiKey",
        "privateKey",
     "salt", "pin", "cookie", "Authorization", "credentials"],
)  # fmt: skip
def test_no_secret_is_kept(name: str) -> None:
    """No secret is kept at any depth, in a row or a dead letter."""
    fields = {name: "hunter2", "deep": [{name: {"x": "hunter2"}}]}
    told = posted([{"ev": "user.created", "time": NOW, **fields}, {"time": NOW, **fields}, {"ev": "x", **fields}])
    assert [one.reason for one in told.rejections] == [RejectReason.NOT_AN_EVENT, RejectReason.NO_TIME]
    assert "hunter2" not in repr(told)


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("smtp://bob:hunter2@relay.example:2525", "smtp://relay.example"),
        ("https://hooks.example/services/hunter2?token=hunter2", "https://hooks.example"),
        ("to HTTPS://u:hunter2@h.example/x and ftp://[::1", "to HTTPS://h.example and ftp://"),
        ("jane@x.example", "jane@x.example"),
    ],
)
def test_a_link_is_kept_as_its_host(target: str, kept: str) -> None:
    """A forward's target is kept as its host only, because the link may hold credentials."""
    assert without_secrets({"target": [target]}) == {"target": [kept]}


def test_people_become_pseudonyms() -> None:
    """No recorded webhook keeps an address, name, account id or text of a user, and pseudonyms are the same."""
    personal = {"alice", "bob", "alice@example.com", "phone", "orders@shop.example"}
    personal |= {body["user"] for body in RECORDED if "user" in body}
    for body in RECORDED:
        shown = repr(posted(body, pseudonyms=P))
        assert not [word for word in personal if f"'{word}'" in shown or f'"{word}"' in shown], shown
        assert not re.search(r"(?<!p-.{20})@example\.com", shown), shown
    (audit,), (event,) = rows(MARKED, pseudonyms=P)
    assert audit.user_id == P.of(MARKED["user"])
    assert event.recipient == f"{P.of('alice@example.com')}@example.com"
    assert rows(MARKED, pseudonyms=P)[0] == [audit]


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b'"x"', b"1", b"[1]"])
def test_no_webhook_is_no_request(body: bytes) -> None:
    """A body that is no webhook is refused with 400."""
    with pytest.raises(UnreadableError):
        read_webhooks(body, received_at=NOW, border=Border())


def test_more_than_may_be_is_refused() -> None:
    """A body over the limits is refused with 413."""
    with pytest.raises(TooLargeError):
        read_webhooks(b"[{}" + b",{}" * 30 + b"]", received_at=NOW, border=Border(max_items=30))


WORDS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(["marked.ham", "smtp://a:b@c/"])
)
VALUES = st.recursive(WORDS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
FIELDS = st.dictionaries(st.sampled_from(sorted({*MARKED, "entry", "address", "action", "events"})) | st.text(), VALUES)


@given(st.lists(FIELDS, min_size=1, max_size=4))
def test_whatever_comes_is_a_row_or_set_aside(bodies: list[dict[str, Any]]) -> None:
    """Any webhook is a storable row or a rejection, with and without pseudonyms."""
    text = json.dumps(bodies).encode()
    for border in (Border(), Border(pseudonyms=P, subject_key=b"k")):
        request = read_webhooks(text, received_at=NOW, border=border)
        batch, repeated = assemble([request], {})
        skipped = sum(one.get("ev") == "QUEUE_POLL" for one in bodies)
        assert request.count + len(request.rejections) + skipped == len(bodies)
        audits = sum(isinstance(row, AuditEvent) for row in batch.records)
        assert audits + repeated[Source.WILDDUCK] >= request.count
        assert not any(letter.reason is RejectReason.UNREAD for letter in batch.letters)
        for row in (*batch.records, *batch.events):
            assert "\\x00" not in repr(row)
            assert "\\ud8" not in repr(row)


def test_endless_nesting_is_cut_off() -> None:
    """Deep nesting is cut, because a webhook has two levels."""
    deep: Any = {"password": "hunter2"}
    for _ in range(200):
        deep = {"a": [deep]}
    request = posted({"ev": "x", "time": NOW, "deep": deep})
    assert "hunter2" not in repr(request)
