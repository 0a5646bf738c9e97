"""Logins: recorded documents, changes and messages, and any other that MongoDB and GELF can hold."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from bson import json_util
from hypothesis import given
from hypothesis import strategies as st

from collector.events.border.decoding import Border, take
from collector.events.border.request_body import Body
from collector.events.model.event import RejectReason, Source
from collector.events.model.side_tables import AuthEvent
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.events.sources import gelf
from collector.events.sources.authlog import (
    OTHER,
    PROTOCOLS,
    RESULTS,
    KnownDocument,
    Logins,
    known_of,
    logged,
    logins_named_by,
)
from collector.pipeline.batch import assemble
from tests.oracle.recording import FIXTURES, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NOW = 1_795_495_900_000
INSERT = {"operationType": "insert", "wallTime": datetime.fromtimestamp(NOW / 1000, UTC)}
P = Pseudonyms(b"a secret of the tests")
ALICE, BOB = "6b05172ebb7cd0c6d7213bf5", "6b05172ebb7cd0c6d7213bfe"


def changes(collection: str = "authlog") -> list[dict[str, Any]]:
    """Return the recorded changes in pymongo's form."""
    lines = gzip.decompress((FIXTURES / "wildduck-changes.jsonl.gz").read_bytes()).decode().splitlines()
    options = json_util.JSONOptions(tz_aware=True, tzinfo=UTC)
    found = [json_util.loads(line, json_options=options) for line in lines]
    return [change for change in found if change["ns"]["coll"] == collection]


def rows(items: Iterable[Any], source: Source = Source.CHANGE_STREAM, **border: Any) -> list[AuthEvent]:
    """Return the rows of items, and assert that none is rejected."""
    body = Body(list(items), {}, is_clean=False)
    request = take(body, received_at=NOW, source=source, border=Border(bound_cluster="eu1", **border))
    assert request.rejections == []
    batch, _ = assemble([request], {})
    assert (batch.letters, batch.events) == ([], [])
    return [row for row in batch.records if isinstance(row, AuthEvent)]


def applied(some: Iterable[Mapping[str, Any]], known: Mapping[str, KnownDocument] | None = None) -> Logins:
    logins = Logins(known or {})
    for change in some:
        logins.apply(change)
    return logins


def test_recorded_logins_are_counted_one_by_one() -> None:
    """Recorded logins, also counted-up ones, are counted one by one; password and filter changes are none."""
    found = rows(applied(changes()).items)
    totals: dict[tuple[str | None, str, str], int] = {}
    for row in found:
        totals[row.user_id, row.protocol, row.result] = (
            totals.get((row.user_id, row.protocol, row.result), 0) + row.count
        )
    assert totals == {
        (ALICE, "imap", "failed"): 5,
        (ALICE, "imap", "success"): 3,
        (ALICE, "api", "success"): 1,
        (ALICE, "api", "failed"): 1,
        (BOB, "imap", "suspended"): 1,
        (ALICE, "pop3", "failed"): 1,
        (ALICE, "pop3", "success"): 1,
    }
    assert {row.source_ip for row in found} == {"127.0.0.1", "203.0.113.9"}
    assert len({row.key for row in found}) == len(found)


def test_told_again_it_is_the_same() -> None:
    """Repeated changes, from any of them on, give the same rows and count nothing twice."""
    whole = rows(applied(changes()).items)
    for start in range(len(changes())):
        known: dict[str, KnownDocument] = {}
        for row in rows(applied(changes()[:start]).items):
            found = known_of(row)
            assert found is not None
            known[found[0]] = found[1]
        rest = changes()[start:]
        assert set(logins_named_by(rest)) >= {key for key in known if key in logins_named_by(rest)}
        later = rows(applied(rest, known).items)
        assert {row.key for row in later} <= {row.key for row in whole}
        first = rows(applied(changes()[:start]).items)
        assert sorted([*first, *later], key=str) == sorted(whole, key=str)


def test_what_nobody_knows_is_asked_for() -> None:
    """A counted-up document that is not known is requested by its id, and counts whole once read."""
    update = {
        "operationType": "update",
        "documentKey": {"_id": "d1"},
        "updateDescription": {"updatedFields": {"events": 7, "last": datetime(2026, 11, 24, tzinfo=UTC)}},
    }
    logins = applied([update])
    assert (logins.items, logins.unknown) == ([], ["d1"])
    logins.document({"_id": "d1", "action": "authentication", "protocol": "SMTP", "result": "fail", "events": 7}, NOW)
    logins.apply(update | {"updateDescription": {"updatedFields": {"events": 9}}, "wallTime": datetime.now(UTC)})
    assert [item["entry"]["count"] for item in logins.items] == [7, 2]


def test_a_login_with_a_scope_that_is_switched_off_has_no_result() -> None:
    """A login with a disabled scope has no result, because WildDuck writes none."""
    (row,) = rows(applied([INSERT | {"fullDocument": {"_id": "d", "action": "authentication"}}]).items)
    assert (row.result, row.protocol, row.count) == ("scope_disabled", OTHER, 1)


@pytest.mark.parametrize(
    ("said", "protocol"),
    [
        ("IMAP", "imap"),
        ("POP3", "pop3"),
        ("SMTP", "smtp"),
        ("API", "api"),
        ("web", "web"),
        ("LDAP", OTHER),
        ("imap\0", OTHER),
    ],
)
def test_the_protocol_is_of_a_closed_set(said: str, protocol: str) -> None:
    """The protocol column has a closed set; another text, which the API allows, stays in raw."""
    document = {"_id": "d", "action": "authentication", "protocol": said, "result": "success"}
    (row,) = rows(applied([INSERT | {"fullDocument": document}]).items)
    assert row.protocol == protocol
    assert (row.raw is not None) == (protocol == OTHER)


def test_recorded_messages_are_logins() -> None:
    """Each recorded GELF message with a result is a login, also that of an unknown user."""
    messages = [line["gelf"] for line in read_lines(FIXTURES / "wildduck-gelf.jsonl")]
    told = [one for one in messages if "_auth_result" in one]
    found = rows([gelf.item_of(one, NOW) for one in told], Source.GELF)
    assert len(found) == len(told)
    assert {row.result for row in found} == {"success", "unknown_user", "suspended"}
    ghosts = [row for row in found if row.result == "unknown_user"]
    assert {(row.username, row.user_id, row.source) for row in ghosts} == {("ghost", None, Source.GELF)}
    again = rows([gelf.item_of(one, NOW + 1) for one in told], Source.GELF)
    assert [row.key for row in again] == [row.key for row in found]


def test_beside_a_change_stream_a_message_tells_only_what_leaves_no_document() -> None:
    """With a change stream, GELF adds only logins without document, so that each is counted once."""
    messages = [line["gelf"] for line in read_lines(FIXTURES / "wildduck-gelf.jsonl")]
    items = [gelf.item_of(one, NOW, gelf.READERS_BESIDE_AUTHLOG) for one in messages]
    found = rows([item for item in items if item is not None and item["entry"]["action"] == "AUTH"], Source.GELF)
    assert {row.result for row in found} == {"unknown_user"}
    leaked = {"_auth_result": "fail", "_user": ALICE, "_pwned": "yes", "_scope": "imap"}
    assert gelf.item_of(leaked, NOW, gelf.READERS_BESIDE_AUTHLOG) is not None
    assert gelf.item_of(leaked | {"_auth_result": "ratelimited"}, NOW, gelf.READERS_BESIDE_AUTHLOG) is not None
    assert gelf.item_of(leaked | {"_password_type": "master"}, NOW, gelf.READERS_BESIDE_AUTHLOG) is None


def test_people_become_pseudonyms() -> None:
    """User, name and address become pseudonyms, and a document is still recognised by its stored row."""
    found = rows(applied(changes()).items, pseudonyms=P)
    assert {row.user_id for row in found} == {P.of(ALICE), P.of(BOB)}
    assert not any(word in repr(found) for word in (ALICE, BOB, "127.0.0.1", "203.0.113.9"))
    assert sum(row.count for row in found) == 13
    one = known_of(found[0])
    assert one is not None
    more = Logins({one[0]: one[1]})
    more.apply(
        {
            "operationType": "update",
            "documentKey": {"_id": one[0]},
            "updateDescription": {"updatedFields": {"events": 99}},
            "wallTime": datetime.fromtimestamp(NOW / 1000, UTC),
        }
    )
    (row,) = rows(more.items, pseudonyms=P)
    assert (row.user_id, row.source_ip, row.protocol, row.result) == (
        found[0].user_id,
        found[0].source_ip,
        found[0].protocol,
        found[0].result,
    )


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.datetimes(), st.binary(max_size=4),
    st.sampled_from(["authentication", "insert", "update", "IMAP", "success", "_id"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=5
)
DOCUMENT = st.dictionaries(
    st.sampled_from(["_id", "user", "protocol", "requiredScope", "source", "result", "ip", "events", "last"]), VALUES
)
CHANGE = st.fixed_dictionaries(
    {"operationType": st.sampled_from(["insert", "update", "replace", "delete"])},
    optional={
        "fullDocument": VALUES | DOCUMENT.map(lambda one: one | {"action": "authentication"}),
        "documentKey": VALUES | st.just({"_id": "d"}),
        "updateDescription": VALUES | st.fixed_dictionaries({"updatedFields": DOCUMENT}),
        "wallTime": st.just(datetime.fromtimestamp(NOW / 1000, UTC)) | VALUES,
    },
)


@given(st.lists(CHANGE, max_size=5))
def test_nothing_that_mongodb_can_hold_breaks_it(some: list[dict[str, Any]]) -> None:
    """Any document is a row with values of closed sets, or a rejection because of its time."""
    items = applied(some, {"d": KnownDocument({"action": "AUTH", "id": "d"}, 2)}).items
    for border in (Border(), Border(pseudonyms=P)):
        request = take(Body(items, {}, is_clean=False), received_at=NOW, source=Source.CHANGE_STREAM, border=border)
        assert {one.reason for one in request.rejections} <= {RejectReason.TIME_AHEAD, RejectReason.TIME_TOO_OLD}
        batch, _ = assemble([request], {})
        assert batch.letters == [] or all(letter.reason is not RejectReason.UNREAD for letter in batch.letters)
        for row in batch.records:
            assert isinstance(row, AuthEvent)
            assert row.protocol in {*PROTOCOLS.values(), OTHER}
            assert row.result in {*RESULTS.values(), OTHER}
            assert row.count >= 1
            json.loads(row.raw or "{}")


@given(
    st.dictionaries(
        st.sampled_from(["_auth_result", "_scope", "_user", "_username", "_ip", "_sess", "timestamp", "host"]), VALUES
    )
)
def test_no_message_breaks_it(message: dict[str, Any]) -> None:
    """Any message is a login or none."""
    item = logged(message, NOW)
    assert (item is None) == (type(message.get("_auth_result")) is not str or not message["_auth_result"])
