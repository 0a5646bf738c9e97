"""Bounces of ZoneMTA's own webhook, and forms that no ZoneMTA sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.errors import RequestError, TooLargeError, UnreadableError
from collector.events.border.decoding import Border
from collector.events.conversion import rows_of
from collector.events.model.event import MailEvent, RejectReason, Source
from collector.events.model.side_tables import HeldEvent
from collector.events.sources.bounce import MAX_BYTES, MAX_FIELDS, bounce
from tests.oracle.recording import FIXTURES, read_lines, read_recording
from tests.unit.events.entries import NOW

if TYPE_CHECKING:
    from collector.events.model.event import Submission

GOOD = {
    "id": "1a20bd7ba7a000cd07",
    "sessionId": "ck3ob5bg43vknugc",
    "to": "user@corp.example",
    "seq": "001",
    "returnPath": "news@shop.example",
    "category": "recipient",
    "time": str(NOW - 10),
    "response": "550 5.1.1 user unknown",
    "fbl": "c0.u0",
}


def read(body: bytes, **border: Any) -> Submission:
    return bounce(body, received_at=NOW, border=Border(**border))


def held(body: bytes, **border: Any) -> HeldEvent:
    request = read(body, **border)
    (row,) = rows_of(request.entries[0], request, {})
    assert isinstance(row, HeldEvent)
    return row


def event(**fields: str | None) -> MailEvent:
    """Return the row of the good form with fields set, or removed if None."""
    form = {name: value for name, value in (GOOD | fields).items() if value is not None}
    return held(urlencode(form).encode()).event


def test_a_bounce_is_held_under_its_recipients_end() -> None:
    """A bounce is held for its recipient's end, with reason and cluster by the same rules as the plugin's event."""
    row = held(urlencode(GOOD).encode(), bound_cluster="eu1")
    assert row.key == ("eu1", GOOD["id"], "001", "end", Source.BOUNCE)
    assert (row.time, row.event.event_id) == (NOW - 10, f"{GOOD['id']}.001:bounced")
    assert (row.event.reason, row.event.bounce_kind) == ("unknown_user", "hard")
    assert (row.event.sender, row.event.recipient) == (GOOD["returnPath"], GOOD["to"])
    assert (row.event.fbl_id, row.event.raw) == ("c0.u0", f'{{"sessionId":"{GOOD["sessionId"]}"}}')


def test_recorded_bounces_are_the_plugins_rejections() -> None:
    """Recorded bounces have the address, sender, category and reply of the plugin's rejections."""
    told = {}
    for record in read_recording():
        entry = record["entry"]
        if entry["action"] == "REJECTED":
            told[entry["id"], entry["seq"]] = entry
    bounces = [line["bounce"] for line in read_lines(FIXTURES / "zonemta-queue-bounce.jsonl")]
    assert len(bounces) == 158
    for one in bounces:
        form = {name: one[name] for name in ("id", "sessionId", "to", "seq", "category", "time", "response")}
        row = held(urlencode(form | {"returnPath": one["from"]}).encode(), raw_retention_ms=10**12).event
        entry = told[one["id"], one["seq"]]
        expected = {
            "recipient": entry["to"],
            "sender": entry["from"],
            "category": entry["category"],
            "response": entry["response"],
            "time": one["time"],
        }
        assert {name: getattr(row, name) for name in expected} == expected


@pytest.mark.parametrize("time", [None, "", "soon", "1e3", "-1", "٣", "9" * 400])
def test_a_bounce_without_a_time_is_of_its_receipt(time: str | None) -> None:
    """A bounce without a time gets that of its receipt, because its time is no part of its identity."""
    assert event(time=time).time == NOW


def test_a_time_out_of_bounds_goes_to_the_dead_letters() -> None:
    """A bounce with a time out of bounds becomes a dead letter, as with every source."""
    (rejection,) = read(urlencode(GOOD | {"time": str(NOW + 10**8)}).encode()).rejections
    assert rejection.reason is RejectReason.TIME_AHEAD


def test_a_reports_bounce_is_a_report() -> None:
    """A bounce with an empty sender is that of a DSN."""
    assert event(returnPath="").direction == event(returnPath=None).direction == "dsn"


@pytest.mark.parametrize(
    "body", [b"", b"\0", b"x", b"seq=001&to=a@b.example", b"id=&seq=001", b'{"id": "x"}', b"\xff\xfe" * 9]
)
def test_what_names_no_message_is_400(body: bytes) -> None:
    """A form that names no message is refused with 400."""
    with pytest.raises(UnreadableError):
        read(body)


@pytest.mark.parametrize("body", [b"id=1&" + b"a=1&" * MAX_FIELDS, b"id=1&response=" + b"x" * MAX_BYTES])
def test_more_than_a_bounce_can_be_is_413(body: bytes) -> None:
    """A form with too many fields or bytes is refused with 413 before it is read."""
    with pytest.raises(TooLargeError):
        read(body)


def test_of_a_field_that_comes_twice_the_first_counts() -> None:
    """The first of a repeated field counts."""
    assert held(b"id=1&id=2&seq=001&seq=002").key[1:3] == ("1", "001")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"550%20100%25+sure", "550 100% sure"),
        (b"550 %zz%", "550 %zz%"),
        (b"550 %FF%C3%BC", "550 \ufffdü"),
        (b"550 \xff\xc3\xbc", "550 \ufffdü"),
        (b"550 %00", "550 \ufffd"),
        (b"550 %ED%A0%80", "550 \ufffd\ufffd\ufffd"),
    ],
)
def test_broken_text_is_kept_as_far_as_it_is_text(written: bytes, told: str) -> None:
    """Broken encodings, other charsets, NUL and surrogates are kept as far as they are text."""
    assert held(b"id=1&seq=001&response=" + written).event.response == told


@given(
    st.one_of(st.binary(max_size=300), st.builds(lambda rest: b"id=1&seq=001&time=1&" + rest, st.binary(max_size=300)))
)
@example(b"id=%00&seq=%00")
def test_no_form_breaks_it(body: bytes) -> None:
    """Any form is refused or is a storable row."""
    try:
        request = read(body)
    except RequestError:
        return
    for entry in request.entries:
        (row,) = rows_of(entry, request, {})
        assert b"\\u0000" not in msgspec.json.encode(row)  # refuses lone surrogates
