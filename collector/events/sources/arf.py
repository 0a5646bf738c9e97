"""Reads complaints, which are feedback-loop messages (RFC 5965; docs/events.md, "Complaints"). Pure.

A raw message becomes an entry, and an entry becomes a row.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from collector.errors import TooLargeError, UnreadableError
from collector.events import addresses
from collector.events.border.decoding import DAY_MS, HOUR_MS, take
from collector.events.border.fields import Fields
from collector.events.border.request_body import Body
from collector.events.model.event import Action, Direction, MailEvent, Source
from collector.events.sources import mime
from collector.events.sources.envelope import envelope_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from collector.events.border.decoding import Border
    from collector.events.model.event import Entry, Submission

MAX_BYTES: Final = 4 << 20
"""A complaint carries the reported message, sometimes whole."""

WORD: Final = "COMPLAINT"

_REPORT: Final = re.compile(r"(?:message|text|application)/(?:x-)?feedback-?report")
_MESSAGE: Final = re.compile(r"(?:message|text|application)/(?:x-)?(?:rfc-?822|global)(?:[-_]?headers?)?")
"""Content types of the reported message, or of its headers alone (RFC 6522, RFC 6533), also as senders misspell them.
"""

NO_COMPLAINTS: Final = frozenset({"not-spam", "auth-failure", "dmarc", "delivery-failure"})
"""Types of feedback that are not complaints, such as a withdrawn verdict (RFC 6430) or a failed authentication
(RFC 6591). They are stored as `other`.
"""

JMRP_RECIPIENT: Final = "X-HmXmrOriginalRecipient"
"""The header with the recipient in Microsoft's older complaints, which have no machine-readable part."""

MAX_VALUES: Final = 100
MAX_CHARACTERS: Final = 2000
_TYPE: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SENDER: Final = "Original-Mail-From"
_RECIPIENTS: Final = ("Original-Rcpt-To", "Removal-Recipient")
"""Fields with the recipient who complained. The first that holds an address counts, because either may be redacted."""

_ADDRESS_TYPE: Final = re.compile(r"(?:rfc-?822|smtp|utf-8)\s*;\s*", re.IGNORECASE)
"""The type that DSNs put before an address (RFC 3464, 2.1.2), and that some complaints have too."""

_REPORTED: Final = {
    "ip": "Source-IP",
    "reportedDomain": "Reported-Domain",
    "userAgent": "User-Agent",
    "version": "Version",
    "incidents": "Incidents",
    "envelopeId": "Original-Envelope-Id",
}


def read_complaint(body: bytes, *, received_at: int, border: Border) -> Submission:
    """Return the submission of one complaint (`received_at` in epoch ms). Raise `UnreadableError`, `TooLargeError`."""
    if len(body) > MAX_BYTES:
        raise TooLargeError(f"a report is over {MAX_BYTES} bytes")
    report = mime.read_part(_without_mbox_line(body))
    parts = mime.leaves(report)
    told = next((_inner(part) for part in parts if _REPORT.fullmatch(part.kind)), None)
    message = _message(parts)
    recipient = next(
        (part.text(JMRP_RECIPIENT) for part in (message, report) if part and part.text(JMRP_RECIPIENT)), None
    )
    if told is None and recipient is None:
        raise UnreadableError("no complaint can be read: a multipart/report with a message/feedback-report is expected")
    entry = _entry(report, told, message, recipient)
    stamps = [report.text("Date"), told and (told.text("Arrival-Date") or told.text("Received-Date"))]
    time = _time(stamps, received_at, border.raw_retention_ms)
    read_items = Body([{"time": time, "entry": entry}], {}, is_clean=False)
    return take(read_items, received_at=received_at, source=Source.ARF, border=border)


def _inner(part: mime.Part) -> mime.Part:
    return mime.read_part(part.content().lstrip())


def _message(parts: Sequence[mime.Part]) -> mime.Part | None:
    """Return the reported message, or None: the first part of a message type with a Message-ID or X-FBL header, else
    the first such part of any type behind the feedback report, else the first part of a message type.
    """
    typed = [_inner(part) for part in parts if _MESSAGE.fullmatch(part.kind)]
    place = next((place for place, part in enumerate(parts) if _REPORT.fullmatch(part.kind)), len(parts))
    others = (_inner(part) for part in parts[place + 1 :] if not _MESSAGE.fullmatch(part.kind))
    named = next((one for one in (*typed, *others) if one.text("Message-ID") or one.text("X-FBL")), None)
    return named or next(iter(typed), None)


def _without_mbox_line(body: bytes) -> bytes:
    """Return the body without an mbox `From ` line, which programs may add when they pipe mail."""
    body = body.lstrip(b"\r\n")
    return body.partition(b"\n")[2] if body.startswith(b"From ") else body


def _entry(
    report: mime.Part, told: mime.Part | None, message: mime.Part | None, recipient: str | None
) -> dict[str, Any]:
    entry: dict[str, Any] = {"action": WORD, "category": "abuse"}
    if told is not None:
        said = (told.text("Feedback-Type") or "").lower()
        entry["category"] = said if _TYPE.fullmatch(said) else "other"
        entry |= {"from": _listed(told, _SENDER), "to": _recipients(told)}
        entry |= {key: told.text(name) for key, name in _REPORTED.items()}
        entry["arrivalDate"] = told.text("Arrival-Date") or told.text("Received-Date")
    if message is not None:
        entry["messageId"] = message.text("Message-ID")
        entry["fbl"] = message.text("X-FBL")
        entry["from"] = entry.get("from") or message.text("Return-Path")
    entry["to"] = entry.get("to") or recipient
    entry["reporter"] = _domain(report.text("From"))
    entry["reportId"] = report.text("Message-ID")
    return {key: value[:MAX_CHARACTERS] for key, value in entry.items() if value}


def _recipients(told: mime.Part) -> str:
    found = [listed for name in _RECIPIENTS if (listed := _listed(told, name))]
    return next((listed for listed in found if "@" in listed), found[0] if found else "")


def _listed(told: mime.Part, name: str) -> str:
    """Return all values of the field, each once, joined by commas."""
    return ",".join(dict.fromkeys(_ADDRESS_TYPE.sub("", value, count=1) for value in told.texts(name)[:MAX_VALUES]))


def _domain(written: str | None) -> str | None:
    return None if written is None else addresses.domain(written[:MAX_CHARACTERS])


def _time(stamps: Iterable[str | None], received_at: int, retention_ms: int) -> int:
    """Return the epoch ms of the first stamp that the border accepts, else of the receipt."""
    for stamp in stamps:
        time = _epoch_ms(stamp)
        if time is not None and received_at - (retention_ms - 2 * DAY_MS) <= time <= received_at + HOUR_MS:
            return time
    return received_at


def _epoch_ms(stamp: str | None) -> int | None:
    if not stamp or len(stamp) > 100:
        return None
    try:
        moment = parsedate_to_datetime(stamp)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def complaint_of(entry: Entry, received_at: int) -> MailEvent:
    """Return the row of an entry that passed the border. Never raises."""
    fields = Fields(entry.fields)
    del fields.rest["action"]
    category = fields.text("category")
    envelope = envelope_of(fields)
    written = fields.rest.get("ip")
    local_ip = addresses.canonical_ip(written) if type(written) is str else None
    if local_ip is not None and local_ip == written:
        del fields.rest["ip"]
    return MailEvent(
        entry.time,
        entry.cluster,
        entry.host,
        f"arf:{_digest(entry)}",
        Action.OTHER if category in NO_COMPLAINTS else Action.COMPLAINED,
        Source.ARF,
        Direction.OUTBOUND,
        message_id=fields.text("messageId"),
        fbl_id=fields.text("fbl"),
        local_ip=local_ip,
        category=category,
        **envelope,
        raw=fields.json(),
        received_at=received_at,
    )


def _digest(entry: Entry) -> str:
    """Return a digest of all fields. No field changes in transit, so a complaint that is sent again is the same row."""
    return hashlib.sha256(msgspec.json.encode(entry.fields, order="sorted")).hexdigest()[:32]
