"""The border: what is read, sorted, rejected and answered (docs/events.md, section 1)."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from collector.errors import TooLargeError, UnreadableError
from collector.events.border.decoding import Border, take
from collector.events.border.json_values import YEAR_2200_MS
from collector.events.border.request_body import Body, RejectedItem
from collector.events.model.event import Heartbeat, Rejection, RejectReason, Source
from tests.unit.events.entries import ACCEPTED, NOW, changed, read

DAY = 86_400_000
EVENT = {"time": NOW, "context": "sender", "entry": ACCEPTED}
PLUGIN = {"version": "1.0.0", "process": "ab12", "spool_bytes": 10, "oldest_unsent": None, "dropped": 0}

SHAPES: dict[str, Any] = {
    "the plugin's object": {"cluster": "eu1", "host": "mta1", "plugin": PLUGIN, "events": [EVENT]},
    "the object without a report": {"events": [EVENT]},
    "an array": [EVENT],
    "one event": EVENT,
    "one bare entry": changed(ACCEPTED, created=NOW),
    "an array of bare entries": [changed(ACCEPTED, created=NOW)],
    "NDJSON": json.dumps(EVENT).encode() + b"\n",
    "NDJSON of two": json.dumps(EVENT).encode() + b"\r\n\n" + json.dumps(changed(ACCEPTED, created=NOW)).encode(),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps([EVENT]).encode(),
}


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
def test_every_shape_of_body_is_read(body: Any) -> None:
    """Each form of body in docs/events.md gives its entries with their times."""
    request = read(body)
    assert {entry.time for entry in request.entries} == {NOW}
    assert request.rejections == []
    assert request.entries[0].fields["id"] == ACCEPTED["id"]


UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "white space": b" \n ",
    "broken JSON": b'{"events": [{"time"',
    "a number": b"5",
    "a string": b'"QUEUED"',
    "null": b"null",
    "an empty array": b"[]",
    "an array of no objects": b'[1, null, "x"]',
    "no events and no plugin": b'{"events": []}',
    "events of another type": b'{"events": 5}',
    "events of another type beside a plugin": b'{"plugin": {}, "events": "x"}',
    "a report that is none": b'{"plugin": 5}',
    "garbage": bytes(range(256)),
    "lines of garbage": b"a\nb\nc",
    "UTF-16": '[{"time": 1}]'.encode("utf-16"),
    "arrays nested 100,000 deep": b"[" * 100_000,
    "closed arrays nested 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects nested 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep arrays with what only the second reader takes": b'["\\ud800",' + b"[" * 100_000 + b"]" * 100_001,
    "an integer of a million digits": b"9" * 1_000_000,
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_a_body_without_any_object_is_unreadable(body: bytes) -> None:
    """A body without any object is one error for the whole request."""
    with pytest.raises(UnreadableError):
        read(body)


@pytest.mark.parametrize(
    ("body", "border"),
    [
        ([EVENT] * 3, {"max_items": 2}),
        (b"\n".join([json.dumps(EVENT).encode()] * 4), {"max_items": 2}),
        ([EVENT], {"max_parts": 10}),
        (b"[" * 100, {"max_parts": 50}),
    ],
    ids=["items", "lines", "parts", "brackets"],
)
def test_a_body_over_the_limits_is_too_large(body: Any, border: dict[str, int]) -> None:
    """A body over the limits of parts and items is refused before it is processed."""
    with pytest.raises(TooLargeError):
        read(body, **border)


def test_a_heartbeat_is_a_request_of_nothing_but_a_report() -> None:
    """The plugin's object without events is a heartbeat."""
    for body in ({"host": "mta1", "plugin": PLUGIN, "events": []}, {"host": "mta1", "plugin": PLUGIN}):
        request = read(body)
        assert (request.entries, request.rejections) == ([], [])
        assert request.heartbeat == Heartbeat("default", "mta1", "ab12", "1.0.0", 10, None, 0)


REPORTS: dict[str, tuple[Any, Heartbeat]] = {
    "everything missing": ({}, Heartbeat("default", "none", "none", "none", 0, None, 0)),
    "wrong types": (
        {"version": 1, "process": [], "spool_bytes": "5", "oldest_unsent": True, "dropped": None},
        Heartbeat("default", "none", "none", "none", 0, None, 0),
    ),
    "names cut and printable": (
        {"version": "1\n.2" + "x" * 99, "process": "p" * 99 + "\0"},
        Heartbeat("default", "none", "p" * 64, "1.2" + "x" * 28, 0, None, 0),
    ),
    "numbers clamped": (
        {"spool_bytes": -5, "oldest_unsent": 1.9, "dropped": 10**30},
        Heartbeat("default", "none", "none", "none", 0, 1, 2**63 - 1),
    ),
    "a time that the database would refuse": (
        {"oldest_unsent": 2**63 - 1},
        Heartbeat("default", "none", "none", "none", 0, YEAR_2200_MS, 0),
    ),
    "contexts, each once": (
        {"contexts": ["sender", "receiver", 5, "sender", "", "x" * 99]},
        Heartbeat("default", "none", "none", "none", 0, None, 0, ("receiver", "sender", "x" * 32)),
    ),
    "contexts that are no list": (
        {"contexts": {"sender": 1}},
        Heartbeat("default", "none", "none", "none", 0, None, 0),
    ),
}


@pytest.mark.parametrize(("plugin", "expected"), REPORTS.values(), ids=REPORTS)
def test_a_bad_field_of_a_report_becomes_its_default(plugin: Any, expected: Heartbeat) -> None:
    """A bad field of a heartbeat gets its default, and no heartbeat is refused."""
    assert read({"plugin": plugin}).heartbeat == expected


def test_a_report_that_is_no_object_is_as_if_absent() -> None:
    """A heartbeat that is no object is ignored, and the events beside it are read."""
    request = read({"plugin": 5, "events": [EVENT]})
    assert request.heartbeat is None
    assert len(request.entries) == 1


CLUSTERS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "the token's wins": (
        {"cluster": "body", "events": [{**EVENT, "cluster": "event"}]},
        {"bound_cluster": "token"},
        "token",
    ),
    "then the event's own": ({"cluster": "body", "events": [{**EVENT, "cluster": "event"}]}, {}, "event"),
    "then the body's": ({"cluster": "body", "events": [EVENT]}, {}, "body"),
    "else default": ({"events": [EVENT]}, {}, "default"),
    "empty counts as absent": ({"cluster": "", "events": [{**EVENT, "cluster": ""}]}, {}, "default"),
    "wrong types count as absent": ({"cluster": 5, "events": [{**EVENT, "cluster": ["x"]}]}, {}, "default"),
    "cut at 255": ({"cluster": "c" * 300, "events": [EVENT]}, {}, "c" * 255),
    "cleaned": ({"cluster": "a\0\ud800", "events": [EVENT]}, {}, "a\ufffd\ufffd"),
}


@pytest.mark.parametrize(("body", "border", "expected"), CLUSTERS.values(), ids=CLUSTERS)
def test_the_cluster_is_the_first_of_token_event_body_default(body: Any, border: dict[str, Any], expected: str) -> None:
    """The cluster is the first of token, event, body and default."""
    assert read(body, **border).entries[0].cluster == expected


def test_rejections_carry_the_cluster_by_the_same_rule() -> None:
    """A rejection has the cluster by the same rule."""
    bad = {"time": NOW, "cluster": "event", "entry": {}}
    assert read({"cluster": "body", "events": [bad]}).rejections[0].cluster == "event"
    assert read({"cluster": "body", "events": [bad, 5]}).rejections[1].cluster == "body"
    assert read([bad], bound_cluster="token").rejections[0].cluster == "token"


def test_the_host_is_the_events_own_else_the_bodys_and_never_the_entrys() -> None:
    """The host is the event's, else the body's, never the entry's `host`, which is the remote server's address."""
    assert read({"host": "mta1", "events": [EVENT]}).entries[0].host == "mta1"
    assert read({"host": "mta1", "events": [{**EVENT, "host": "mta2"}]}).entries[0].host == "mta2"
    assert read([changed(ACCEPTED, created=NOW, cluster="x")]).entries[0].host is None
    assert read([changed(ACCEPTED, created=NOW, cluster="x")]).entries[0].cluster == "default"


TIMES: dict[str, tuple[dict[str, Any], int | RejectReason]] = {
    "a whole number": ({"time": NOW}, NOW),
    "a fraction is rounded down": ({"time": NOW + 0.9}, NOW),
    "the event's before the entry's": ({"time": NOW, "created": NOW - 5}, NOW),
    "else the entry's created": ({"created": NOW - 5}, NOW - 5),
    "null is absent": ({"time": None, "created": NOW - 5}, NOW - 5),
    "created as a date": ({"created": "2026-11-24T04:38:20.000Z"}, 1795495100000),
    "created as a date with an offset": ({"created": "2026-11-24T05:38:20.0009+01:00"}, 1795495100000),
    "a date without a zone is no time": ({"created": "2026-11-24T04:38:20"}, RejectReason.NO_TIME),
    "a numeric string is no time": ({"time": str(NOW)}, RejectReason.NO_TIME),
    "a bad time is not replaced by created": ({"time": "x", "created": NOW}, RejectReason.NO_TIME),
    "a boolean is no time": ({"time": True}, RejectReason.NO_TIME),
    "none": ({}, RejectReason.NO_TIME),
    "an hour ahead": ({"time": NOW + 3_600_000}, NOW + 3_600_000),
    "more than an hour ahead": ({"time": NOW + 3_600_001}, RejectReason.TIME_AHEAD),
    "the year 2100": ({"time": 4_102_444_800_000}, RejectReason.TIME_AHEAD),
    "beyond 64 bits": ({"time": 10**30}, RejectReason.TIME_AHEAD),
    "a huge fraction": ({"time": 1e300}, RejectReason.TIME_AHEAD),
    "the oldest that is kept": ({"time": NOW - 28 * DAY}, NOW - 28 * DAY),
    "older": ({"time": NOW - 28 * DAY - 1}, RejectReason.TIME_TOO_OLD),
    "1970": ({"time": 0}, RejectReason.TIME_TOO_OLD),
    "negative": ({"time": -(10**30)}, RejectReason.TIME_TOO_OLD),
}


@pytest.mark.parametrize(("given", "expected"), TIMES.values(), ids=TIMES)
def test_an_events_time_is_a_number_within_bounds(given: dict[str, Any], expected: int | RejectReason) -> None:
    """An event's time must be a number within bounds, so that a wrong clock makes no chunk in 2100."""
    event: dict[str, Any] = {"entry": changed(ACCEPTED, created=given.get("created", ...))}
    if "time" in given:
        event["time"] = given["time"]
    request = read([event])
    if isinstance(expected, RejectReason):
        assert [rejection.reason for rejection in request.rejections] == [expected]
    else:
        assert [entry.time for entry in request.entries] == [expected]


REJECTED: dict[str, tuple[Any, RejectReason]] = {
    "a number": (5, RejectReason.NOT_AN_EVENT),
    "an array": ([EVENT], RejectReason.NOT_AN_EVENT),
    "null": (None, RejectReason.NOT_AN_EVENT),
    "an entry that is no object": ({"time": NOW, "entry": "x"}, RejectReason.NOT_AN_EVENT),
    "an entry that is null": ({"time": NOW, "entry": None}, RejectReason.NOT_AN_EVENT),
    "no action": ({"time": NOW, "entry": changed(ACCEPTED, action=...)}, RejectReason.NO_ACTION),
    "an empty action": ({"time": NOW, "entry": changed(ACCEPTED, action="")}, RejectReason.NO_ACTION),
    "an action of another type": ({"time": NOW, "entry": changed(ACCEPTED, action=5)}, RejectReason.NO_ACTION),
    "no action and no time": ({"entry": {}}, RejectReason.NO_ACTION),
    "nested 33 deep": (
        {"time": NOW, "entry": {"action": "QUEUED", "x": json.loads("[" * 33 + "]" * 33)}},
        RejectReason.NOT_AN_EVENT,
    ),
}


@pytest.mark.parametrize(("bad", "reason"), REJECTED.values(), ids=REJECTED)
def test_a_bad_event_is_rejected_and_the_good_one_beside_it_is_kept(bad: Any, reason: RejectReason) -> None:
    """A bad event is rejected with place and reason, without a quote, and the good one beside it is kept."""
    request = read([EVENT, bad, EVENT])
    assert [entry.index for entry in request.entries] == [0, 2]
    assert [(rejection.index, rejection.reason) for rejection in request.rejections] == [(1, reason)]
    json.loads(request.rejections[0].raw)
    assert "shop.example" not in request.rejections[0].error


def test_nesting_within_bounds_is_kept_whole() -> None:
    """Thirty-two levels of nesting are kept."""
    deep = json.loads("[" * 32 + "]" * 32)
    assert read([{"time": NOW, "entry": {"action": "QUEUED", "x": deep}}]).entries[0].fields["x"] == deep


def test_a_line_that_is_no_json_is_a_rejection_and_the_others_are_kept() -> None:
    """A line of NDJSON that is no JSON is a rejection, and the others are kept; blank lines are ignored."""
    good = json.dumps(EVENT).encode()
    request = read(b"\n".join([good, b"", b'{"time": 1, "en', good, b"7"]))
    assert [entry.index for entry in request.entries] == [0, 2]
    assert [(rejection.index, rejection.reason) for rejection in request.rejections] == [
        (1, RejectReason.NOT_AN_EVENT),
        (3, RejectReason.NOT_AN_EVENT),
    ]
    assert json.loads(request.rejections[0].raw) == '{"time": 1, "en'


def test_polls_are_neither_stored_nor_rejected() -> None:
    """QUEUE_POLL, with or without a time, is neither stored nor rejected."""
    request = read(
        [EVENT, {"time": NOW, "entry": {"action": "QUEUE_POLL", "id": None}}, {"entry": {"action": "QUEUE_POLL"}}]
    )
    assert len(request.entries) == 1
    assert request.rejections == []
    assert read([{"entry": {"action": "QUEUE_POLL"}}]).is_empty


STRANGE: dict[str, tuple[bytes, Any]] = {
    "an escaped NUL": (rb'"a\u0000b"', "a\ufffdb"),
    "a raw NUL": (b'"a\0b"', "a\ufffdb"),
    "a lone high surrogate": (rb'"a\ud800b"', "a\ufffdb"),
    "a lone low surrogate": (rb'"\udc00"', "\ufffd"),
    "surrogates the wrong way round": (rb'"\udc00\ud800"', "\ufffd\ufffd"),
    "a pair is a character": (rb'"\ud83d\ude00"', "\U0001f600"),
    "bytes that are not UTF-8": (b'"a\xffb"', "a\ufffdb"),
    "a raw control character": (b'"a\x07b"', "a\x07b"),
    "an escaped backslash before u0000": (rb'"a\\u0000b"', r"a\u0000b"),
    "NaN": (b"NaN", None),
    "infinity": (b"-Infinity", None),
    "a number beyond floats": (b"1e999", None),
    "the largest of 64 bits": (b"9223372036854775807", 2**63 - 1),
    "one more": (b"9223372036854775808", 2.0**63),
    "an integer beyond floats": (b"1" + b"0" * 400, None),
    "an integer beyond Python's digits": (b"1" + b"0" * 5000, None),
    "NUL in a key below": (rb'{"k\u0000": ["\u0000"]}', {"k\ufffd": ["\ufffd"]}),
    "a big integer below": (b"[18446744073709551616]", [2.0**64]),
}


@pytest.mark.parametrize(("text", "expected"), STRANGE.values(), ids=STRANGE)
def test_values_are_made_plain(text: bytes, expected: Any) -> None:
    """Every JSON value becomes one that PostgreSQL and msgpack can hold."""
    body = b'[{"time": %d, "entry": {"action": "QUEUED", "x": %s}}]' % (NOW, text)
    assert read(body).entries[0].fields["x"] == expected


def test_keys_are_made_plain() -> None:
    """Keys are cleaned like values."""
    body = rb'[{"time": %d, "entry": {"action": "QUEUED", "a\u0000": 1, "b\ud800": 2}}]' % NOW
    assert list(read(body).entries[0].fields) == ["action", "a\ufffd", "b\ufffd"]


@pytest.mark.parametrize("key", ["subject", "Subject", "SUBJECT", "sUbJeCt"])
def test_the_subject_is_dropped_whatever_its_case(key: str) -> None:
    """The subject is dropped in any case of its key (docs/privacy.md)."""
    entry = read([{"time": NOW, "entry": changed(ACCEPTED, **{key: "Invoice 7"})}]).entries[0]
    assert entry.subject_hmac is None
    assert "Invoice" not in repr(entry)


def test_the_subject_becomes_an_hmac_when_a_key_is_set() -> None:
    """With a key the subject becomes the hex HMAC-SHA256 of its stripped UTF-8."""
    entry = read([{"time": NOW, "entry": changed(ACCEPTED, subject="  Rechnung für Ü \n")}], subject_key=b"k").entries[
        0
    ]
    assert entry.subject_hmac == hmac.new(b"k", "Rechnung für Ü".encode(), hashlib.sha256).hexdigest()
    assert "subject" not in entry.fields


@pytest.mark.parametrize("subject", ["", "   ", 5, None, ["x"]])
def test_a_subject_that_says_nothing_has_no_hmac(subject: Any) -> None:
    """An empty subject or one of another type has no HMAC."""
    entry = read([{"time": NOW, "entry": changed(ACCEPTED, subject=subject)}], subject_key=b"k").entries[0]
    assert entry.subject_hmac is None
    assert "subject" not in entry.fields


@pytest.mark.parametrize(
    "bad",
    [
        {"entry": {"action": "QUEUED", "subject": "Invoice 7"}},
        {"entry": {"deep": [{"Subject": "Invoice 7"}]}},
        {"entry": 5, "subject": "Invoice 7"},
        [{"SUBJECT": "Invoice 7"}],
        {"entry": {"action": "QUEUED", "x": json.loads('{"subject": "Invoice 7", "a": ' * 40 + "1" + "}" * 40)}},
    ],
)
def test_a_rejection_keeps_no_subject_at_any_depth(bad: Any) -> None:
    """A rejection keeps no subject at any depth, because dead letters are kept for weeks."""
    rejection = read([EVENT, bad]).rejections[0]
    assert "Invoice" not in rejection.raw
    assert "ubject" not in rejection.raw


def test_an_entry_keeps_no_subject_at_any_depth() -> None:
    """An entry keeps no subject at any depth, also not in `raw`."""
    fields = read([{"time": NOW, "entry": changed(ACCEPTED, meta={"Subject": "Invoice 7", "n": 1})}]).entries[0].fields
    assert fields["meta"] == {"n": 1}


@pytest.mark.parametrize(
    "line",
    [b'{"a": 1, "subject": "Invoice 7", x', rb'{"a": 1, "\u0073ubject": "Invoice 7"', b'{"a": 1, "SUBJECT":"Invoice 7'],
)
def test_a_line_that_is_no_json_is_kept_up_to_a_subject(line: bytes) -> None:
    """A line that is no JSON cannot be searched, so it is cut where a subject may begin."""
    rejection = read(json.dumps(EVENT).encode() + b"\n" + line).rejections[0]
    assert "Invoice" not in rejection.raw
    assert json.loads(rejection.raw).startswith('{"a": 1, "')


def test_a_rejection_keeps_64_kib_at_most() -> None:
    """A rejection keeps at most 64 KiB, cut between characters."""
    raw = read([EVENT, {"time": NOW, "entry": {"x": "é" * 100_000}}]).rejections[0].raw
    assert 65_530 < len(raw.encode()) <= 65_536


def test_a_request_id_is_random_or_given() -> None:
    """A request id is given or random: a replay derives the same identities, and two requests differ."""
    assert len({read([EVENT]).request_id for _ in range(10)}) == 10
    assert len(read([EVENT]).request_id) == 32


def test_what_a_route_refuses_is_rejected_in_its_words_and_kept_whole() -> None:
    """An item that a route refuses becomes a rejection with the route's reason, and good items are kept."""
    body = Body([RejectedItem({"ev": 5, "subject": "Hello"}, "no `ev`"), EVENT])
    request = take(body, received_at=NOW, source=Source.PLUGIN, border=Border(bound_cluster="eu1"))
    assert request.rejections == [Rejection(0, RejectReason.NOT_AN_EVENT, "no `ev`", "eu1", '{"ev":5}')]
    assert request.count == 1
