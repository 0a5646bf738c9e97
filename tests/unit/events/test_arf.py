"""Complaints: ARF messages of large providers, and hostile ones."""

from __future__ import annotations

import base64
import contextlib
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import TooLargeError, UnreadableError
from collector.events.border.decoding import Border
from collector.events.model.event import Action, Direction, MailEvent, Source
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.events.sources import mime
from collector.events.sources.arf import MAX_BYTES, read_complaint
from collector.pipeline.batch import assemble
from tests.oracle.reports import FASTMAIL, JMRP, SHAPES, WHOLE, YAHOO, report
from tests.unit.events.entries import NOW

P = Pseudonyms(b"a secret of the tests")
REPORTED = 1_795_495_000_000
"""Tue, 24 Nov 2026 04:36:40 +0000."""


def row(body: bytes, received_at: int = NOW, **border: Any) -> MailEvent:
    """Return the row of a report, and assert that it is not rejected."""
    request = read_complaint(body, received_at=received_at, border=Border(bound_cluster="eu1", **border))
    assert request.rejections == []
    batch, _ = assemble([request], {})
    assert (batch.letters, batch.records) == ([], [])
    (event,) = batch.events
    return event


@pytest.mark.parametrize(
    ("shape", "recipient", "local_ip", "message_id", "fbl_id"),
    [
        ("whole", "ok@corp.example", "192.0.2.20", "<1@shop.example>", "list:7"),
        ("yahoo", "jane@yahoo.example", None, "<1@shop.example>", "list:7"),
        ("jmrp", "jane@hotmail.example", None, "<1@shop.example>", "list:7"),
        ("comcast", None, "192.0.2.20", "<1@shop.example>", "list:7"),
        ("fastmail", "9c11@x.fastmail.example", "2001:db8::20", "<1@shop.example>", "list:7"),
        ("mailru", None, "192.0.2.20", "<1@shop.example>", "list:7"),
        ("redacted", None, None, None, "list:7"),
    ],
)
def test_each_shape_is_a_complaint(
    shape: str, recipient: str | None, local_ip: str | None, message_id: str | None, fbl_id: str
) -> None:
    """Each provider's form gives complainer, sending address and message identifiers, as far as it has them."""
    event = row(SHAPES[shape])
    assert (event.action, event.source, event.direction) == (Action.COMPLAINED, Source.ARF, Direction.OUTBOUND)
    assert (event.recipient, event.local_ip, event.message_id, event.fbl_id) == (
        recipient,
        local_ip,
        message_id,
        fbl_id,
    )
    assert (event.category, event.time, event.queue_id) == ("abuse", REPORTED, None)
    assert event.sender in {"bounce+1@shop.example", None}
    assert "Your order" not in repr(event)
    assert "Hello" not in repr(event)


def test_the_same_report_is_the_same_row() -> None:
    """A report posted again, with other trace headers or an mbox line, is the same row; another report is not."""
    event = row(YAHOO)
    for again in (YAHOO, b"Received: by x; now\r\n" + YAHOO, b"From feedback Tue Nov 24 04:36:40 2026\n" + YAHOO):
        other = row(again, NOW + 60_000)
        assert (other.event_id, other.time) == (event.event_id, event.time)
    assert row(report()).event_id != event.event_id
    assert row(YAHOO.replace(b"report-1", b"report-2")).event_id != event.event_id


@pytest.mark.parametrize(
    ("said", "category", "action"),
    [
        ("abuse", "abuse", Action.COMPLAINED),
        ("FRAUD", "fraud", Action.COMPLAINED),
        ("opt-out", "opt-out", Action.COMPLAINED),
        ("<b>spam</b>", "other", Action.COMPLAINED),
        ("not-spam", "not-spam", Action.OTHER),
        ("auth-failure", "auth-failure", Action.OTHER),
    ],
)
def test_not_every_feedback_is_a_complaint(said: str, category: str, action: Action) -> None:
    """Feedback like `not-spam` or `auth-failure` is no complaint."""
    event = row(report(WHOLE.replace("abuse", said)))
    assert (event.category, event.action) == (category, action)


@pytest.mark.parametrize(
    ("date", "arrival", "time"),
    [
        ("Tue, 24 Nov 2026 04:36:40 +0000", "x", REPORTED),
        ("Tue, 24 Nov 2026 05:36:40 +0100", "x", REPORTED),
        ("Tue, 24 Nov 1996 04:36:40 +0000", "Tue, 24 Nov 2026 04:00:00 +0000", REPORTED - 2_200_000),
        ("Tue, 24 Nov 2096 04:36:40 +0000", "Tue, 24 Nov 2026 04:00:00", REPORTED - 2_200_000),
        ("never", "Mon, 99 Foo 99999 99:99:99 +9999", NOW),
        ("0" * 200, "\0", NOW),
    ],
)
def test_a_time_within_bounds_is_found(date: str, arrival: str, time: int) -> None:
    """The time is the report's, else the message's arrival, else the receipt, whichever is within bounds."""
    fields = WHOLE.replace("Tue, 24 Nov 2026 04:00:00 +0000", arrival)
    assert row(report(fields, date=date)).time == time


HEADERS_ONLY = "Return-Path: <bounce+1@shop.example>\nMessage-ID: <1@shop.example>\nX-FBL: list:7\n"
KINDS = [
    "text/rfc822-headers", "TEXT/RFC822-Headers", "text/rfc822-headers; charset=us-ascii",
    'text/rfc822-headers;\n\tname="headers.txt"',
    "text/rfc822-headers (the headers)", "text / rfc822-headers", "text/rfc822-header", "text/rfc822headers",
    "text/RFC-822-headers",
    "message/rfc822-headers", "message/rfc822", "Message/RFC822; charset=utf-8", "message/global",
    "message/global-headers", "text/rfc822",
    "application/x-rfc822-headers", "text/plain", "text/rfc822-headers;;", "x",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", ["7bit", "base64", "Quoted-Printable (encoded)"])
def test_the_message_is_found_under_every_spelling_of_its_type(kind: str, encoding: str) -> None:
    """The message is found in every spelling of its type (case, parameters, comments, none) and encoding."""
    text = HEADERS_ONLY
    if encoding == "base64":
        text = base64.encodebytes(text.encode()).decode()
    elif encoding != "7bit":
        text = text.replace("=", "=3D").replace("shop", "sho=70").replace("list", "li=\nst")
    event = row(report(kind=f"{kind}\nContent-Transfer-Encoding: {encoding}", original=text))
    assert (event.message_id, event.fbl_id) == ("<1@shop.example>", "list:7")


@pytest.mark.parametrize(
    "kind",
    ["Message/Feedback-Report", "message/feedback-report; charset=us-ascii", "message/feedback-report (RFC 5965)",
        "text/feedback-report",
     "message / feedback-report", "message/x-feedbackreport"],
)  # fmt: skip
def test_the_report_is_found_under_every_spelling_of_its_type(kind: str) -> None:
    """The report is found in every spelling of its type."""
    body = report().replace(b"Content-Type: message/feedback-report", f"Content-Type: {kind}".encode())
    assert row(body).recipient == "ok@corp.example"


def test_a_report_without_the_message_is_a_complaint() -> None:
    """A report without the third part, the message, is a complaint."""
    whole = report()
    body = whole[: whole.rindex(b"--part1", 0, -40)] + b"--part1_13d.2e68ed54_boundary--\r\n"
    event = row(body)
    assert (event.recipient, event.message_id, event.category) == ("ok@corp.example", None, "abuse")


BARE = "Feedback-Type: abuse\nUser-Agent: X/1\nVersion: 1\nSource-IP: 192.0.2.20\n"


@pytest.mark.parametrize(
    ("fields", "recipient", "recipients"),
    [
        ("Removal-Recipient: ok@corp.example\n", "ok@corp.example", 1),
        ("REMOVAL-RECIPIENT:\n <ok@Corp.example>\n", "ok@Corp.example", 1),
        ("Removal-Recipient: ok@corp.example\nRemoval-Recipient: b@corp.example\n", None, 2),
        ("Original-Rcpt-To: redacted\nRemoval-Recipient: ok@corp.example\n", "ok@corp.example", 1),
        ("Original-Rcpt-To: ok@corp.example\nRemoval-Recipient: b@corp.example\n", "ok@corp.example", 1),
        ("Original-Rcpt-To: ok@corp.example\nOriginal-Rcpt-To: ok@corp.example\n", "ok@corp.example", 1),
        ("Original-Rcpt-To: ok@corp.example, b@corp.example\n", None, 2),
        ("Original-Rcpt-To: rfc822;ok@corp.example\n", "ok@corp.example", 1),
        ("Original-Rcpt-To: RFC822; <ok@corp.example>\n", "ok@corp.example", 1),
        ('Original-Rcpt-To: "Doe, Jane" <ok@corp.example> (a, comment)\n', "ok@corp.example", 1),
        ("Removal-Recipient: redacted\n", None, None),
    ],
)
def test_who_complained_is_found(fields: str, recipient: str | None, recipients: int | None) -> None:
    """The complainer is the address in `Original-Rcpt-To`, else in `Removal-Recipient`, in any spelling."""
    event = row(report(BARE + fields))
    assert (event.recipient, event.recipients) == (recipient, recipients)
    assert event.recipient_domain == (None if recipient is None else "corp.example")


@pytest.mark.parametrize(
    "written", ["<staff@Hotmail.com>", '"Feedback, staff" <staff@hotmail.com>', "staff@hotmail.com (feedback)"]
)
def test_the_reporter_is_a_domain(written: str) -> None:
    """The reporter is the domain of the report's From, in any spelling."""
    event = row(report().replace(b"<feedback@isp.example>", written.encode()))
    assert json.loads(event.raw or "{}")["reporter"] == "hotmail.com"


def test_several_recipients_are_counted() -> None:
    """Several recipients are counted, because the field may be repeated (RFC 5965, 3.2)."""
    event = row(report(WHOLE + "Original-Rcpt-To: <b@corp.example>\n"))
    assert (event.recipients, event.recipient) == (2, None)
    assert event.raw is not None
    assert '"to":"<ok@corp.example>,<b@corp.example>"' in event.raw


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "x-strange"])
def test_parts_may_be_encoded(encoding: str) -> None:
    """Parts with a transfer encoding are read: relays use it, though the RFC forbids it."""
    coded = {"base64": base64.encodebytes(WHOLE.encode()).decode(), "quoted-printable": WHOLE.replace("a", "=61")}
    body = report("@@").replace(
        b"feedback-report\r\n\r\n@@",
        f"feedback-report\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{coded.get(encoding, WHOLE)}".encode(),
    )
    assert row(body).recipient == "ok@corp.example"


def test_a_report_that_was_forwarded_is_read() -> None:
    """A forwarded report, inside another multipart, is read."""
    inner = report()
    head, _, rest = inner.partition(b"\r\n\r\n")
    kind = head[head.index(b"Content-Type") :]
    body = (
        b"From: x@y.example\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n\r\nFYI\r\n--out\r\n"
        + kind + b"\r\n\r\n" + rest + b"\r\n--out--\r\n"
    )  # fmt: skip
    assert row(body).recipient == "ok@corp.example"


def test_people_become_pseudonyms_that_still_match() -> None:
    """Recipient and Message-ID become the same pseudonyms as in mail_events."""
    event = row(report(), pseudonyms=P)
    assert event.recipient == f"{P.of('ok@corp.example')}@corp.example"
    assert (event.message_id, event.fbl_id) == (P.of("<1@shop.example>"), P.of("list:7"))
    assert (event.local_ip, event.category) == ("192.0.2.20", "abuse")
    assert row(report(), NOW + 1, pseudonyms=P).event_id == event.event_id


@pytest.mark.parametrize(
    "body",
    [b"", b"\0", b"x" * 1000, b"Subject: x\r\n\r\nhello", b"Content-Type: multipart/report\r\n\r\n--\r\n",
        b"\r\n" * 999,
     b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\n--b--", b'{"ev": "user.created"}'],
)  # fmt: skip
def test_what_is_no_report_is_refused(body: bytes) -> None:
    """A message that is no report is refused with 400."""
    with pytest.raises(UnreadableError):
        read_complaint(body, received_at=NOW, border=Border())


def test_a_report_may_be_too_large() -> None:
    """A report that is too large is refused with 413."""
    with pytest.raises(TooLargeError):
        read_complaint(report() + b"x" * MAX_BYTES, received_at=NOW, border=Border())


def bombs() -> dict[str, bytes]:
    """Return bombs of each kind, as large as the limit allows."""
    size = MAX_BYTES - 100_000
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(20_000))
    wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * (size // 5)
    return {
        "deep": deep,
        "wide": wide,
        "blank": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + (b"--b" + b" " * 1000) * (size // 1003),
        "lines": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"\r\n--" * (size // 4),
        "headers": b"A: b\r\n" * (size // 6),
        "folded": b"Content-Type: multipart/mixed;" + b"\r\n a=b;" * (size // 7),
        "parameters": b"Content-Type: multipart/report" + b"".join(b"; a*%d=x" % n for n in range(20_000)),
        "boundary": b"Content-Type: multipart/report; boundary=" + b"b" * size,
        "nested": b"Content-Type: message/rfc822\r\n\r\n" * (size // 32),
        "addresses": report(WHOLE + "Original-Rcpt-To: <b@corp.example>\n" * (size // 40)),
        "base64": report("@@").replace(
            b"report\r\n\r\n@@", b"report\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"A" * size
        ),
        "quoted": report("@@").replace(
            b"report\r\n\r\n@@", b"report\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * size
        ),
        "spaces": report("@@").replace(
            b"report\r\n\r\n@@", b"report\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=" + b" " * size
        ),
        "encoded": report(WHOLE + "Feedback-Type: " + "=?utf-8?q?x?= " * 4000),
        "junk": report("".join(map(chr, range(256))) * 100),
    }


@pytest.mark.parametrize("kind", bombs())
def test_a_bomb_costs_little(kind: str) -> None:
    """A bomb of any kind is read in limited memory. A quadratic reader would take hours here."""
    body = bombs()[kind]
    tracemalloc.start()
    try:
        read_complaint(body, received_at=NOW, border=Border())
    except UnreadableError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 16 * MAX_BYTES


def test_parts_are_bounded() -> None:
    """The number of parts is limited over all depths."""
    wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 500
    assert len(mime.leaves(mime.read_part(wide))) <= mime.MAX_PARTS


MUTATION = st.tuples(st.integers(0, 3000), st.binary(max_size=20), st.integers(0, 40))


@given(st.sampled_from([report(), JMRP, FASTMAIL]), st.lists(MUTATION, max_size=8))
def test_no_mutation_breaks_it(body: bytes, mutations: list[tuple[int, bytes, int]]) -> None:
    """A report with inserted, removed or changed bytes is a storable row or a refusal."""
    for place, put, taken in mutations:
        body = body[:place] + put + body[place + taken :]
    for border in (Border(), Border(pseudonyms=P)):
        try:
            request = read_complaint(body, received_at=NOW, border=border)
        except UnreadableError:
            continue
        batch, _ = assemble([request], {})
        assert batch.letters == []
        (event,) = batch.events
        repr(event).encode()
        assert "\\x00" not in repr(event)


@given(st.binary(max_size=400), st.text(max_size=60))
def test_no_bytes_break_it(body: bytes, boundary: str) -> None:
    """Any bytes, also after a report's header, are a row or a refusal."""
    head = b'Content-Type: multipart/report; boundary="' + boundary.encode("utf-8", "replace") + b'"\r\n\r\n'
    for whole in (body, head + body, head + b"--" + boundary.encode("utf-8", "replace") + b"\r\n" + body):
        with contextlib.suppress(UnreadableError):
            read_complaint(whole, received_at=NOW, border=Border())
