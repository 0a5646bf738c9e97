"""Turns ZoneMTA's log entries into rows of `mail_events`: which field fills which column, and which stay in `raw`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from collector.events import addresses
from collector.events.border.fields import INT32_MAX, SURELY_SHORT, Fields, cut_text, id_text
from collector.events.border.json_values import YEAR_2200_MS, plain_fields
from collector.events.model.event import (
    COLUMNS,
    Action,
    BounceKind,
    Direction,
    Entry,
    MailEvent,
    Provider,
    Reason,
    Source,
)
from collector.events.replies.pattern import PATTERN_CHARACTERS, response_pattern
from collector.events.replies.provider import provider_of
from collector.events.replies.provider_codes import signal_of
from collector.events.replies.reason import bounce_kind, reason_of
from collector.events.replies.status_codes import codes

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS: dict[str, Action] = {
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
"""Maps ZoneMTA's actions (docs/events.md). Every other action is `other`."""

TEXT_COLUMNS: dict[str, str] = {
    "id": "queue_id",
    "seq": "seq",
    "zone": "zone",
    "interface": "interface",
    "user": "auth_user",
    "category": "category",
    "tlsVersion": "tls_version",
    "fbl": "fbl_id",
}
"""Maps fields to columns that take their text unchanged. The other fields have rules."""

DETAILS: dict[Action, str] = {
    Action.DEFERRED: "defcount",
    Action.DSN_QUEUED: "bounceType",
    Action.OTHER: "action",
}
"""The field that differs between two events with the same message (or recipient) and action."""

DROP_REASONS = ("description", "reason", "error")
"""Fields with the reason of an end without a delivery. The first that is not empty counts."""

NULL_SENDERS = frozenset({"", "<>"})

# Separate names, because access to a member through its enum costs as much as a rule (0.1 µs on Python 3.11).
FAILURES = frozenset({Action.DEFERRED, Action.BOUNCED})
ENDS_UNSENT = frozenset({Action.DROPPED, Action.REFUSED, Action.DELETED})
_BOUNCED, _OTHER = Action.BOUNCED, Action.OTHER
_OUTBOUND, _DSN = Direction.OUTBOUND, Direction.DSN

Reply: TypeAlias = tuple[
    int | None, str | None, str | None, Reason | None, BounceKind | None, str | None, str | None, str | None
]
"""The values of `REPLY_COLUMNS`."""

REPLY_COLUMNS = COLUMNS[COLUMNS.index("smtp_code") : COLUMNS.index("response_pattern") + 1]
"""The columns for the reply of a server and its meaning."""

SEQ_DIGITS = 3
"""ZoneMTA numbers the recipients of a message with three hex digits: 001, 002, …, 00a."""

EVENT_ID_BYTES = 200
HASH_DIGITS = 32
MINUTE_MS = 60_000
LONGEST_IN_QUEUE_MS = 60 * 86_400_000

QUEUED_AT_DIGITS = 11
"""A queue id starts with its creation time, epoch ms in hex digits."""


def mail_event(entry: Entry, *, source: Source, received_at: int, public_ips: Mapping[str, str]) -> MailEvent:
    """Return the row of an entry (docs/events.md, section 2). `public_ips` maps canonical addresses. Never raises."""
    try:
        return _row(entry, source, received_at, public_ips)
    except (ValueError, OverflowError, TypeError, RecursionError):
        # Only an entry that did not pass the border gets here. Making it plain first loses no event.
        plain = msgspec.structs.replace(entry, fields=plain_fields(entry.fields, prune=True))
        return _row(plain, source, received_at, public_ips)


def _row(entry: Entry, source: Source, received_at: int, public_ips: Mapping[str, str]) -> MailEvent:
    written = entry.fields
    if type(written.get("id")) is not str or type(written.get("seq", "")) is not str:
        written = with_text_ids(written)
    fields = Fields(written)
    texts = fields.texts(TEXT_COLUMNS)
    seq = texts.get("seq")
    action = _action(fields)
    attempt = fields.integer("defcount", INT32_MAX)
    event_id = _event_id(written, _occurrence(written, action, attempt))
    direction, sender, sender_domain = _sender(fields)
    recipients, recipient, recipient_domain = _recipient(fields, seq)
    mx_host, provider = _mx(fields)
    mx_ip = _ip(fields, "host")
    local_ip = _local_ip(fields, public_ips) if public_ips else _ip(fields, "ip")
    size_bytes = fields.integer("size")
    if size_bytes is None:
        size_bytes = fields.integer("body")
    tls_authorized = fields.boolean("tlsAuthorized") if written.get("tls") is True else None
    return MailEvent(
        # In the order of the columns and positional, because 44 keyword arguments cost more than any rule here.
        entry.time, entry.cluster, entry.host, event_id, action, source, direction,
        texts.get("queue_id"), seq, recipients,
        fields.text("message-id") or fields.text("messageId"),
        texts.get("zone"), texts.get("interface"), texts.get("auth_user"),
        sender, sender_domain, _return_path(fields), recipient, recipient_domain,
        mx_host, mx_ip, provider, local_ip,
        *_reply(fields, action, provider, texts.get("category")),
        attempt, fields.integer("nextattempt", YEAR_2200_MS), size_bytes,
        fields.integer("timer", INT32_MAX), queue_ms(entry.time, written.get("id")),
        texts.get("tls_version"), tls_authorized, fields.number("score"), texts.get("fbl_id"),
        _drop_reason(fields) if action in ENDS_UNSENT else None,
        entry.subject_hmac, fields.json(), received_at,
    )  # fmt: skip


def with_text_ids(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with an `id` and `seq` that are whole numbers as the texts that ZoneMTA writes."""
    queue_id, seq = fields.get("id"), fields.get("seq")
    if type(queue_id) is str and (seq is None or type(seq) is str):
        return fields
    texts = {"id": id_text(queue_id), "seq": id_text(seq, SEQ_DIGITS)}
    return fields | {key: text for key, text in texts.items() if key in fields}


def _reply(fields: Fields, action: Action, provider: Provider | None, category: str | None) -> Reply:
    response = fields.whole_text("response") or fields.whole_text("responseText") or ""
    return reply_of(action, response, provider, category, fields.rest.get("protocol") == "http")


def reply_of(
    action: Action,
    response: str,
    provider: Provider | None,
    category: str | None,
    is_http: bool,  # noqa: FBT001  # mapped over rows, by place
) -> Reply:
    """Return the meaning of a reply (docs/events.md, sections 3 and 4)."""
    is_failure = action in FAILURES
    if not response and not is_failure:
        return None, None, category, None, None, None, None, None
    smtp_code, enhanced_code = (None, None) if is_http else codes(response)
    pattern = response_pattern(response)
    reason, kind, provider_code = None, None, None
    if is_failure:
        signal = signal_of(response, enhanced_code, provider)
        reason = signal.reason if signal else reason_of(response, pattern, enhanced_code, category)
        provider_code = signal.code if signal else None
        kind = bounce_kind(smtp_code, reason) if action is _BOUNCED else None
    shown = pattern[:PATTERN_CHARACTERS] or None
    return smtp_code, enhanced_code, category, reason, kind, provider_code, cut_text(response) or None, shown


def _action(fields: Fields) -> Action:
    word = fields.rest.get("action")
    if type(word) is not str or word not in ACTIONS:
        return _OTHER
    del fields.rest["action"]
    return ACTIONS[word]


def _occurrence(entry: dict[str, Any], action: Action, attempt: int | None) -> str:
    """Return the part of the event id that is unique within the message: `<action>[:<detail>]`."""
    field = DETAILS.get(action)
    if field is None:
        return action
    detail = attempt if field == "defcount" else entry.get(field)
    return f"{action.value}:{detail}" if type(detail) is str or type(detail) is int else action


def _event_id(entry: dict[str, Any], occurrence: str) -> str:
    queue_id, seq = entry.get("id"), entry.get("seq")
    # With a seq of another type, two recipients would get the same id.
    if type(queue_id) is not str or not queue_id or (seq is not None and type(seq) is not str):
        return _hashed(msgspec.json.encode(entry, order="sorted"))
    return bounded_id(queue_id + "." + seq + ":" + occurrence if seq else queue_id + ":" + occurrence)


def bounded_id(event_id: str) -> str:
    """Return the id, or the hash of one that is too long for an index."""
    if len(event_id) * 4 > EVENT_ID_BYTES and len(encoded := event_id.encode()) > EVENT_ID_BYTES:
        return _hashed(encoded)
    return event_id


def _hashed(identity: bytes) -> str:
    return "h:" + hashlib.sha256(identity).hexdigest()[:HASH_DIGITS]


def _sender(fields: Fields) -> tuple[Direction, str | None, str | None]:
    written = fields.rest.get("from")
    if type(written) is not str:
        return _OUTBOUND, None, None
    if written in NULL_SENDERS:
        del fields.rest["from"]
        return _DSN, None, None
    return _OUTBOUND, *address_in(fields, "from")


def _return_path(fields: Fields) -> str | None:
    return address_in(fields, "returnPath")[0]


def _recipient(fields: Fields, seq: str | None) -> tuple[int | None, str | None, str | None]:
    """Return the number of recipients of the row and, if it is one, the recipient and its domain."""
    listed = fields.rest.get("to")
    count = addresses.count(listed) if type(listed) is str and listed else None
    recipients = 1 if seq else count
    key = "to"
    if count is None:
        fields.text("to")
        key, other = "recipient", fields.rest.get("recipient")
        count = addresses.count(other) if type(other) is str else None
    if count != 1:
        return recipients, None, None
    return recipients, *address_in(fields, key)


def address_in(fields: Fields, key: str) -> tuple[str | None, str | None]:
    """Return the field's address, cut for its column, and its domain. The field is taken out, unless it holds more than
    the address: a name, a comment, …
    """
    written = fields.rest.get(key)
    if type(written) is not str:
        return None, None
    held, domain = address_of(written)
    if held == written or (held or "") == addresses.bare(written):
        del fields.rest[key]
    return held, domain


def address_of(written: str) -> tuple[str | None, str | None]:
    """Return the address in a text, cut for its column, and its domain; (None, None) for the null sender."""
    if len(written) <= SURELY_SHORT and (usual := addresses.usual_parts(written)):
        return written, addresses.spelt(usual[1])
    whole = addresses.alone(written)
    if not whole:
        return None, None
    domain = addresses.domain_of_alone(whole)
    return cut_text(whole), domain and cut_text(domain)


def _mx(fields: Fields) -> tuple[str | None, Provider | None]:
    written = fields.rest.get("mx")
    if type(written) is not str or not written:
        return fields.text("mx"), None
    host = written.lower().rstrip(".")
    held = cut_text(host)
    if held == written:
        del fields.rest["mx"]
    return held or None, provider_of(host)


def _ip(fields: Fields, key: str) -> str | None:
    written = fields.rest.get(key)
    if type(written) is not str or not written:
        return fields.text(key)
    canonical = addresses.canonical_ip(written)
    if canonical == written:
        del fields.rest[key]
    return canonical


def _local_ip(fields: Fields, public_ips: Mapping[str, str]) -> str | None:
    local_ip = fields.rest.get("ip")
    if type(local_ip) is str:
        public_ip = public_ips.get(addresses.canonical_ip(local_ip) or "")
        if public_ip is not None:
            return public_ip
    return _ip(fields, "ip")


def _drop_reason(fields: Fields) -> str | None:
    return next(filter(None, map(fields.text, DROP_REASONS)), None)


def queue_ms(time: int, queue_id: object) -> int | None:
    """Return the milliseconds from the time in a queue id to `time`; None if that is not within the last 60 days."""
    if type(queue_id) is not str:
        return None
    digits = queue_id[:QUEUED_AT_DIGITS]
    if len(digits) < QUEUED_AT_DIGITS or not digits.isalnum():
        return None
    try:
        waited = time - int(digits, 16)
    except ValueError:
        return None
    if 0 <= waited <= LONGEST_IN_QUEUE_MS:
        return waited
    return 0 if -MINUTE_MS <= waited < 0 else None
