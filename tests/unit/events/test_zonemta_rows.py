"""ZoneMTA's entries as rows: the table of docs/events.md, section 2, row by row."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest

from collector.events.model.event import COLUMNS, Action, Direction, MailEvent, Provider, Source
from tests.unit.events.entries import ACCEPTED, NOW, QUEUE_ID, QUEUED, QUEUED_AT, changed, raw, read, recording, row


def test_an_accepted_entry_fills_its_columns() -> None:
    """An accepted entry fills its columns, and `raw` has the rest."""
    expected: dict[str, Any] = dict.fromkeys(COLUMNS) | {
        "time": NOW,
        "cluster": "eu1",
        "host": "mta1",
        "event_id": f"{QUEUE_ID}.001:delivered",
        "action": Action.DELIVERED,
        "source": Source.PLUGIN,
        "direction": Direction.OUTBOUND,
        "queue_id": QUEUE_ID,
        "seq": "001",
        "recipients": 1,
        "message_id": "<1@shop.example>",
        "zone": "bulk",
        "sender": "news@shop.example",
        "sender_domain": "shop.example",
        "return_path": "bounce+1@shop.example",
        "recipient": "ok@corp.example",
        "recipient_domain": "corp.example",
        "mx_host": "mx1.corp.example",
        "mx_ip": "192.0.2.10",
        "provider": Provider.OTHER,
        "local_ip": "192.0.2.20",
        "smtp_code": 250,
        "enhanced_code": "2.0.0",
        "response": "250 2.0.0 Ok: queued as 197D38BEB3",
        "response_pattern": "250 2.0.0 Ok: queued as <id>",
        "size_bytes": 3687,
        "smtp_ms": 127,
        "queue_ms": NOW - QUEUED_AT,
        "tls_version": "TLSv1.3",
        "tls_authorized": True,
        "raw": '{"start":117,"secure":true,"tls":true,"tlsCipher":"TLS_AES_256_GCM_SHA384","protocol":"smtp"}',
        "received_at": NOW,
    }
    assert msgspec.structs.asdict(row(ACCEPTED, cluster="eu1", host="mta1")) == expected


def test_a_queued_entry_fills_its_columns() -> None:
    """A queued entry, which is about the message, has no seq and several addresses."""
    event = row(QUEUED, subject_hmac="ab")
    assert (event.event_id, event.seq, event.recipients) == (f"{QUEUE_ID}:queued", None, 2)
    assert (event.recipient, event.recipient_domain) == (None, None)
    assert (event.auth_user, event.interface, event.spam_score) == ("alice@shop.example", "feeder", 0.4)
    assert (event.size_bytes, event.subject_hmac) == (3008, "ab")
    assert raw(event) == {"to": "a@corp.example,b@corp.example", "src": "192.0.2.1"}


# entry changed, entry as given, columns expected, keys that must stay in raw, keys that must not
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], set[str], set[str]]] = {
    # recipients and recipient
    "one address without seq": (QUEUED, {"to": "a@corp.example"}, {"recipients": 1, "recipient": "a@corp.example"},
        set(), {"to"}),
    "a quoted comma separates nothing": (QUEUED, {"to": '"a,b"@corp.example'},
        {"recipients": 1, "recipient": '"a,b"@corp.example'}, set(), {"to"}),
    "an escaped quote ends nothing": (QUEUED, {"to": r'"a\",b"@c.example,d@e.example'}, {"recipients": 2}, {"to"},
        set()),
    "an open quote runs to the end": (QUEUED, {"to": '"a,b'},
        {"recipients": 1, "recipient": '"a,b', "recipient_domain": None}, set(), {"to"}),
    "empty places are no addresses": (QUEUED, {"to": "a@b.example, ,"},
        {"recipients": 1, "recipient": "a@b.example", "recipient_domain": "b.example"}, {"to"}, set()),
    "nothing but commas": (QUEUED, {"to": ","}, {"recipients": 0, "recipient": None}, {"to"}, set()),
    "no to": (QUEUED, {"to": ...}, {"recipients": None, "recipient": None}, set(), {"to"}),
    "an empty to": (QUEUED, {"to": ""}, {"recipients": None, "recipient": None}, set(), {"to"}),
    "several with a seq": (ACCEPTED, {"to": "a@b.example,c@d.example"}, {"recipients": 1, "recipient": None}, {"to"},
        set()),
    "a suppressed recipient": (QUEUED, {"to": ..., "recipient": "x@corp.example"},
        {"recipient": "x@corp.example", "recipient_domain": "corp.example", "recipients": None}, set(), {"recipient"}),
    "to comes before recipient": (ACCEPTED, {"recipient": "x@y.example"}, {"recipient": "ok@corp.example"},
        {"recipient"}, {"to"}),
    "a to of another type gives way": (ACCEPTED, {"to": ["x"], "recipient": "x@y.example"},
        {"recipient": "x@y.example"}, {"to"}, {"recipient"}),
    # addresses
    "brackets are no part of an address": (ACCEPTED,
        {"from": "<a@B.example>", "to": "<c@d.example>", "returnPath": "<e@f.example>"},
        {"sender": "a@B.example", "sender_domain": "b.example", "recipient": "c@d.example",
            "return_path": "e@f.example"}, set(), {"from", "to", "returnPath"}),
    "a null sender": (ACCEPTED, {"from": "<>", "returnPath": "<>"},
        {"direction": Direction.DSN, "sender": None, "sender_domain": None, "return_path": None}, set(),
        {"from", "returnPath"}),
    "an empty sender": (ACCEPTED, {"from": "", "returnPath": ""},
        {"direction": Direction.DSN, "sender": None, "return_path": None}, set(), {"from", "returnPath"}),
    "no sender": (ACCEPTED, {"from": ...}, {"direction": Direction.OUTBOUND, "sender": None}, set(), set()),
    "a sender of another type": (ACCEPTED, {"from": 5}, {"direction": Direction.OUTBOUND, "sender": None}, {"from"},
        set()),
    "no domain": (ACCEPTED, {"from": "root", "to": "x@"},
        {"sender": "root", "sender_domain": None, "recipient": "x@", "recipient_domain": None}, set(), {"from"}),
    "the last @": (ACCEPTED, {"from": '"a@b"@C.Example.'}, {"sender": '"a@b"@C.Example.', "sender_domain": "c.example"},
        set(), {"from"}),
    "an international domain": (ACCEPTED, {"from": "x@Bücher.example"}, {"sender_domain": "xn--bcher-kva.example"},
        set(), {"from"}),
    "a domain that IDNA refuses": (ACCEPTED, {"from": "x@A☃\u200b.example"}, {"sender_domain": "a☃\u200b.example"},
        set(), {"from"}),
    "a comment is no part of an address": (ACCEPTED,
        {"from": "news@Shop.example (the (daily) news)", "to": "(x) a@b.example"},
        {"sender": "news@Shop.example", "sender_domain": "shop.example", "recipient": "a@b.example",
            "recipient_domain": "b.example"}, {"from", "to"}, set()),
    "nor is a display name": (ACCEPTED, {"from": '"Doe, Jane" <jane@shop.example>',
        "returnPath": "Doe, Jane <jane@shop.example>"},
        {"sender": "jane@shop.example", "sender_domain": "shop.example", "return_path": "jane@shop.example"},
        {"from", "returnPath"}, set()),
    "the first of several senders": (ACCEPTED, {"from": "<a@shop.example>, b@corp.example"},
        {"sender": "a@shop.example", "sender_domain": "shop.example"}, {"from"}, set()),
    "a comma in a comment separates nothing": (QUEUED, {"to": "a@b.example (x, y)"},
        {"recipients": 1, "recipient": "a@b.example"}, {"to"}, set()),
    "a source route": (QUEUED, {"to": "<@a.example,@b.example:c@D.example>"},
        {"recipients": 1, "recipient": "c@D.example", "recipient_domain": "d.example"}, {"to"}, set()),
    "white space around the parts": (ACCEPTED, {"to": " a @ b . example "},
        {"recipient": "a@b.example", "recipient_domain": "b.example"}, {"to"}, set()),
    "an address literal": (ACCEPTED, {"to": "a@[IPv6:2001:DB8:0::1]", "from": "a@[192.0.2.1]"},
        {"recipient_domain": "[ipv6:2001:db8::1]", "sender_domain": "[192.0.2.1]"}, set(), {"to", "from"}),
    "what no domain holds": (ACCEPTED, {"to": "a@b.example; DROP"},
        {"recipient": "a@b.example; DROP", "recipient_domain": None}, set(), {"to"}),
    "nothing but a comment": (ACCEPTED, {"from": "(news@shop.example)"},
        {"direction": Direction.OUTBOUND, "sender": None, "sender_domain": None}, {"from"}, set()),
    "a domain in another of Unicode's forms": (ACCEPTED, {"from": "x@Bu\u0308cher.example"},
        {"sender_domain": "xn--bcher-kva.example"}, set(), {"from"}),
    # numbers as text
    "digits in text are a number": (ACCEPTED, {"size": "5", "timer": "3"}, {"size_bytes": 5, "smtp_ms": 3}, set(),
        {"size", "timer"}),
    # message id
    "message-id first": (ACCEPTED, {"message-id": "<a>"}, {"message_id": "<a>"}, {"messageId"}, {"message-id"}),
    "an empty message-id gives way": (ACCEPTED, {"message-id": ""}, {"message_id": "<1@shop.example>"}, set(),
        {"message-id", "messageId"}),
    "a message-id of another type gives way": (ACCEPTED, {"message-id": 5}, {"message_id": "<1@shop.example>"},
        {"message-id"}, {"messageId"}),
    # mx, addresses of hosts, provider
    "an mx in its spelling": (ACCEPTED, {"mx": "MX1.Corp.example."}, {"mx_host": "mx1.corp.example"}, {"mx"}, set()),
    "no mx": (ACCEPTED, {"mx": ...}, {"mx_host": None, "provider": None}, set(), set()),
    "an empty mx": (ACCEPTED, {"mx": ""}, {"mx_host": None, "provider": None}, set(), {"mx"}),
    "an mx of another type": (ACCEPTED, {"mx": 7}, {"mx_host": None, "provider": None}, {"mx"}, set()),
    "a provider": (ACCEPTED, {"mx": "gmail-smtp-in.l.google.com"}, {"provider": Provider.GOOGLE}, set(), {"mx"}),
    "IPv6 in its spelling": (ACCEPTED, {"host": "2001:DB8::0:1"}, {"mx_ip": "2001:db8::1"}, {"host"}, set()),
    "IPv4 in IPv6": (ACCEPTED, {"ip": "::ffff:192.0.2.1"}, {"local_ip": "192.0.2.1"}, {"ip"}, set()),
    "no IP address": (ACCEPTED, {"host": "mx.example", "ip": "fe80::1%eth0"}, {"mx_ip": None, "local_ip": None},
        {"host", "ip"}, set()),
    "an empty address": (ACCEPTED, {"host": ""}, {"mx_ip": None}, set(), {"host"}),
    # reply
    "responseText": (QUEUED, {"action": "NOQUEUE", "responseText": "550 5.7.1 no"},
        {"response": "550 5.7.1 no", "smtp_code": 550, "enhanced_code": "5.7.1"}, set(), {"responseText"}),
    "response before responseText": (ACCEPTED, {"responseText": "x"},
        {"response": "250 2.0.0 Ok: queued as 197D38BEB3"}, {"responseText"}, {"response"}),
    "an http status is no reply code": (ACCEPTED, {"protocol": "http", "response": "404 Upload failed"},
        {"smtp_code": None, "enhanced_code": None, "response_pattern": "404 Upload failed"}, {"protocol"},
        {"response"}),
    "an empty reply": (ACCEPTED, {"response": ""}, {"response": None, "response_pattern": None, "smtp_code": None},
        set(), {"response"}),
    "a reply of white space": (ACCEPTED, {"response": " \n"}, {"response": " \n", "response_pattern": None}, set(),
        {"response"}),
    # numbers
    "size before body": (ACCEPTED, {"body": 5}, {"size_bytes": 3687}, {"body"}, {"size"}),
    "a size that does not fit gives way": (ACCEPTED, {"size": -1, "body": 5}, {"size_bytes": 5}, {"size"}, {"body"}),
    "a whole float is an integer": (ACCEPTED, {"size": 5.0, "timer": 3.0}, {"size_bytes": 5, "smtp_ms": 3}, set(),
        {"size", "timer"}),
    "a fraction is none": (ACCEPTED, {"timer": 3.5}, {"smtp_ms": None}, {"timer"}, set()),
    "a boolean is no number": (ACCEPTED, {"timer": False, "size": True}, {"smtp_ms": None, "size_bytes": None},
        {"timer", "size"}, set()),
    "the largest of 32 bits": (ACCEPTED, {"timer": 2**31 - 1}, {"smtp_ms": 2**31 - 1}, set(), {"timer"}),
    "more than 32 bits": (ACCEPTED, {"timer": 2**31, "defcount": 2**31}, {"smtp_ms": None, "attempt": None},
        {"timer", "defcount"}, set()),
    "more than 64 bits": (ACCEPTED, {"size": 2.0**63}, {"size_bytes": None}, {"size"}, set()),
    "the attempt that delivered": (ACCEPTED, {"defcount": 2}, {"attempt": 2, "event_id": f"{QUEUE_ID}.001:delivered"},
        set(), {"defcount"}),
    "the attempt that bounced": (ACCEPTED, {"action": "REJECTED", "defcount": 1},
        {"attempt": 1, "event_id": f"{QUEUE_ID}.001:bounced"}, set(), {"defcount"}),
    "an earlier plugin does not say it": (ACCEPTED, {"action": "REJECTED"}, {"attempt": None}, set(), {"defcount"}),
    "a next attempt": (ACCEPTED, {"nextattempt": NOW}, {"next_attempt": NOW}, set(), {"nextattempt"}),
    "a next attempt in 1970": (ACCEPTED, {"nextattempt": 0}, {"next_attempt": 0}, set(), {"nextattempt"}),
    "a next attempt in 2201": (ACCEPTED, {"nextattempt": 7_289_654_400_000}, {"next_attempt": None}, {"nextattempt"},
        set()),
    "a score as a number": (QUEUED, {"score": -1.5}, {"spam_score": -1.5}, set(), {"score"}),
    "a score as text": (QUEUED, {"score": " -1.5e1 "}, {"spam_score": -15.0}, set(), {"score"}),
    "a score that is no number": (QUEUED, {"score": "nan"}, {"spam_score": None}, {"score"}, set()),
    "a score with underscores": (QUEUED, {"score": "1_0"}, {"spam_score": None}, {"score"}, set()),
    "a score beyond what the column holds": (QUEUED, {"score": 1e39}, {"spam_score": None}, {"score"}, set()),
    "a score below what the column holds": (QUEUED, {"score": "1e-320"}, {"spam_score": None}, {"score"}, set()),
    "a score beyond floats": (QUEUED, {"score": "1e999"}, {"spam_score": None}, {"score"}, set()),
    "an empty score": (QUEUED, {"score": ""}, {"spam_score": None}, set(), {"score"}),
    # TLS
    "no TLS": (ACCEPTED, {"tls": False, "tlsVersion": False, "tlsAuthorized": False},
        {"tls_version": None, "tls_authorized": None}, {"tls", "tlsVersion", "tlsAuthorized"}, set()),
    "TLS not said": (ACCEPTED, {"tls": ...}, {"tls_authorized": None}, {"tlsAuthorized"}, {"tlsVersion"}),
    "authorized of another type": (ACCEPTED, {"tlsAuthorized": "yes"}, {"tls_authorized": None}, {"tlsAuthorized"},
        set()),
    # the rest
    "a feedback id": (ACCEPTED, {"fbl": "c:1"}, {"fbl_id": "c:1"}, set(), {"fbl"}),
    "a category on any action": (ACCEPTED, {"category": "block"}, {"category": "block", "reason": None}, set(),
        {"category"}),
    "an interface": (QUEUED, {"interface": "bounce"}, {"interface": "bounce"}, set(), {"interface"}),
    "why a message was dropped": (QUEUED, {"action": "DROP", "description": "policy", "reason": "r"},
        {"drop_reason": "policy"}, {"reason"}, {"description"}),
    "else the reason": (QUEUED, {"action": "DELETED", "reason": "r", "error": "e"}, {"drop_reason": "r"}, {"error"},
        {"reason"}),
    "else the error": (QUEUED, {"action": "NOQUEUE", "error": "e"}, {"drop_reason": "e"}, set(), {"error"}),
    "not on other actions": (QUEUED, {"action": "QUEUE_BOUNCE", "error": "e"}, {"drop_reason": None}, {"error"}, set()),
    "null is not a text": (ACCEPTED, {"zone": None, "mx": None, "from": None},
        {"zone": None, "mx_host": None, "direction": Direction.OUTBOUND}, {"zone", "mx", "from"}, set()),
}  # fmt: skip


@pytest.mark.parametrize(("entry", "given", "expected", "kept", "gone"), CASES.values(), ids=CASES)
def test_each_rule_of_the_table(
    entry: dict[str, Any], given: dict[str, Any], expected: dict[str, Any], kept: set[str], gone: set[str]
) -> None:
    """Each rule of the table holds: a key leaves `raw` only when a column holds its whole value."""
    event = row(changed(entry, **given))
    assert {column: getattr(event, column) for column in expected} == expected
    assert kept <= raw(event).keys()
    assert not gone & raw(event).keys()


ACTIONS = {
    "QUEUED": Action.QUEUED,
    "ACCEPTED": Action.DELIVERED,
    "DEFERRED": Action.DEFERRED,
    "REJECTED": Action.BOUNCED,
    "DROP": Action.DROPPED,
    "NOQUEUE": Action.REFUSED,
    "DELETED": Action.DELETED,
    "QUEUE_BOUNCE": Action.DSN_QUEUED,
    "SPAMCHECK": Action.SPAM_CHECKED,
    "VIRUSCHECK": Action.VIRUS_CHECKED,
}


@pytest.mark.parametrize(("word", "action"), ACTIONS.items())
def test_zonemtas_words_are_actions(word: str, action: Action) -> None:
    """ZoneMTA's words become actions."""
    event = row({"id": "x", "action": word})
    assert event.action is action
    assert "action" not in raw(event)


@pytest.mark.parametrize("word", ["FORWARDED", "queued", "NEW\nWORD"])
def test_an_unknown_action_is_kept_as_other(word: str) -> None:
    """An unknown action is `other`, and stays in `raw` and in the identity."""
    event = row({"id": "x", "action": word})
    assert event.action is Action.OTHER
    assert event.event_id == f"x:other:{word}"
    assert raw(event) == {"action": word}


def digest(identity: bytes) -> str:
    return "h:" + hashlib.sha256(identity).hexdigest()[:32]


IDENTITIES: dict[str, tuple[dict[str, Any], str]] = {
    "a message": ({"id": "q", "action": "QUEUED"}, "q:queued"),
    "a recipient": ({"id": "q", "seq": "002", "action": "ACCEPTED"}, "q.002:delivered"),
    "an attempt": ({"id": "q", "seq": "002", "action": "DEFERRED", "defcount": 3}, "q.002:deferred:3"),
    "an attempt not counted": ({"id": "q", "seq": "002", "action": "DEFERRED", "defcount": "x"}, "q.002:deferred"),
    "a bounce's kind": (
        {"id": "q", "seq": "002", "action": "QUEUE_BOUNCE", "bounceType": "delayed"},
        "q.002:dsn_queued:delayed",
    ),
    "an empty seq": ({"id": "q", "seq": "", "action": "ACCEPTED"}, "q:delivered"),
    "no queue id": ({"b": "é", "action": "QUEUED"}, digest('{"action":"QUEUED","b":"é"}'.encode())),
    "a queue id as a number": (
        {"id": 193500000012345678, "seq": 2, "action": "QUEUED"},
        "193500000012345678.002:queued",
    ),
    "a seq as a number": ({"id": "q", "seq": 2, "action": "ACCEPTED"}, "q.002:delivered"),
    "a seq as a whole float": ({"id": "q", "seq": 10.0, "action": "ACCEPTED"}, "q.010:delivered"),
    "an attempt as text": ({"id": "q", "seq": "002", "action": "DEFERRED", "defcount": "3"}, "q.002:deferred:3"),
    "a queue id of another type": ({"id": [5], "action": "QUEUED"}, digest(b'{"action":"QUEUED","id":[5]}')),
    "a seq of another type": (
        {"id": "q", "seq": 2.5, "action": "ACCEPTED"},
        digest(b'{"action":"ACCEPTED","id":"q","seq":2.5}'),
    ),
    "200 bytes": ({"id": "q" * 193, "action": "QUEUED"}, "q" * 193 + ":queued"),
    "more": ({"id": "é" * 97, "action": "QUEUED"}, digest(("é" * 97 + ":queued").encode())),
}


@pytest.mark.parametrize(("fields", "event_id"), IDENTITIES.values(), ids=IDENTITIES)
def test_the_identity_is_made_of_the_entry(fields: dict[str, Any], event_id: str) -> None:
    """The identity comes only from the entry, not from the request or from chance."""
    assert row(fields).event_id == event_id
    assert row(dict(reversed(fields.items()))).event_id == event_id


WAITED: dict[str, tuple[str, int | None]] = {
    "now": (f"{NOW:x}000cd07", 0),
    "a while": (f"{NOW - 1234:x}", 1234),
    "60 days": (f"{NOW - 60 * 86_400_000:x}", 60 * 86_400_000),
    "longer": (f"{NOW - 60 * 86_400_000 - 1:x}", None),
    "a clock a little ahead": (f"{NOW + 60_000:x}", 0),
    "further ahead": (f"{NOW + 60_001:x}", None),
    "capitals": (f"{NOW - 1:X}", 1),
    "too short": (f"{NOW:x}"[:10], None),
    "no hex": ("g" * 18, None),
    "signs and underscores": ("1_a20bd7ba7", None),
}


@pytest.mark.parametrize(("queue_id", "waited"), WAITED.values(), ids=WAITED)
def test_the_queue_id_tells_how_long_the_message_waited(queue_id: str, waited: int | None) -> None:
    """The queue id, whose first 11 hex digits are epoch ms, gives the time in the queue."""
    assert row(changed(ACCEPTED, id=queue_id)).queue_ms == waited


def test_a_private_address_becomes_the_public_one() -> None:
    """A private sending address becomes the public one, and `raw` keeps the private one."""
    event = row(ACCEPTED, public_ips={"192.0.2.20": "198.51.100.1"})
    assert event.local_ip == "198.51.100.1"
    assert raw(event)["ip"] == "192.0.2.20"
    assert row(ACCEPTED, public_ips={"10.0.0.1": "198.51.100.1"}).local_ip == "192.0.2.20"
    assert row(changed(ACCEPTED, ip="2001:DB8::1"), public_ips={"2001:db8::1": "2001:db8::2"}).local_ip == "2001:db8::2"


LONG_FIELDS = {
    "id": "queue_id", "seq": "seq", "message-id": "message_id", "zone": "zone", "interface": "interface",
    "user": "auth_user",
    "from": "sender", "returnPath": "return_path", "to": "recipient", "mx": "mx_host", "category": "category",
    "response": "response", "tlsVersion": "tls_version", "fbl": "fbl_id", "description": "drop_reason",
}  # fmt: skip


@pytest.mark.parametrize(("key", "column"), LONG_FIELDS.items())
def test_a_long_text_is_cut_in_its_column_and_whole_in_raw(key: str, column: str) -> None:
    """A text over 1,000 bytes of UTF-8 is cut between characters in its column, and whole in `raw`."""
    for unit, characters in (("x", 1001), ("é", 501), ("\U0001f600", 251), ("x", 4000)):
        event = row(changed(ACCEPTED, action="DROP", **{key: unit * characters}))
        held = getattr(event, column)
        assert held == unit * (1000 // len(unit.encode()))
        assert raw(event)[key] == unit * characters
    event = row(changed(ACCEPTED, action="DROP", **{key: "é" * 500}))
    assert getattr(event, column) == "é" * 500
    assert key not in raw(event)


def test_a_message_id_of_4000_characters_is_stored_and_kept() -> None:
    """A Message-ID of 4,000 characters, as a real sender wrote it, is stored."""
    message_id = "<" + "a" * 4000 + "@shop.example>"
    event = row(changed(ACCEPTED, messageId=message_id))
    assert event.message_id == message_id[:1000]
    assert raw(event)["messageId"] == message_id


OTHER_TYPES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    5,
    2**63 - 1,
    1.5,
    1e300,
    "",
    "x",
    "é" * 600,
    [],
    ["x"],
    {},
    {"a": [1]},
)
FIELDS = sorted(
    {
        *ACCEPTED,
        *QUEUED,
        *LONG_FIELDS,
        "defcount",
        "nextattempt",
        "responseText",
        "recipient",
        "reason",
        "error",
        "bounceType",
    }
)


@pytest.mark.parametrize("key", [key for key in FIELDS if key != "action"])
@pytest.mark.parametrize("word", ["ACCEPTED", "DEFERRED", "REJECTED", "DROP", "QUEUE_BOUNCE", "FORWARDED"])
def test_any_type_in_any_field_is_a_row_that_loses_nothing(word: str, key: str) -> None:
    """A value of the wrong type stays in `raw`, and the column keeps its type."""
    for value in OTHER_TYPES:
        event = row(changed(ACCEPTED, action=word, **{key: value}))
        check(event)
        if not isinstance(value, str | int | float):
            assert raw(event)[key] == value


def check(event: MailEvent) -> None:
    """Assert that a row has the types of its columns, with values that PostgreSQL can hold."""
    assert msgspec.convert(msgspec.to_builtins(event), MailEvent) == event
    for name in COLUMNS:
        value = getattr(event, name)
        if isinstance(value, str) and name != "raw":
            assert value != ""
            assert "\0" not in value
            assert len(value.encode()) <= 1000
    for name in ("smtp_ms", "attempt", "recipients", "smtp_code"):
        assert (getattr(event, name) or 0) < 2**31
    for name in ("size_bytes", "next_attempt", "queue_ms"):
        assert 0 <= (getattr(event, name) or 0) < 2**63
    if event.raw is not None:
        json.loads(event.raw, parse_constant=pytest.fail)


def test_the_recording_makes_as_many_keys_as_entries() -> None:
    """The 2,424 recorded entries give 2,424 identities, none with the action `other`."""
    events = [{"time": line["time_ms"], "context": line["context"], "entry": line["entry"]} for line in recording()]
    request = read(events, received_at=max(event["time"] for event in events))
    assert request.rejections == []
    rows = [row(entry.fields, time=entry.time, cluster=entry.cluster) for entry in request.entries]
    assert len({(event.cluster, event.event_id, event.time) for event in rows}) == 2424
    assert Action.OTHER not in {event.action for event in rows}
    for event in rows:
        check(event)


def test_an_entry_that_came_past_the_border_is_a_row_all_the_same() -> None:
    """An entry that the border would have refused (deep nesting, endless numbers) is still a row."""
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    for value in (deep, 10**400, float("nan"), {"k\ud800": 1}, b"bytes", {1, 2}, object()):
        for key in ("id", "from", "mx", "response", "x"):
            check(row(changed(ACCEPTED, action="REJECTED", **{key: value})))
    row(changed(ACCEPTED, id="\ud800", response="\ud800" * 2000, to="\ud800@\ud800"))
