"""ZoneMTA's log entries as rows of `mail_events`: which field fills which column, and what stays in `raw`."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from collector.events import address
from collector.events.fields import INT32_MAX, Fields, cut
from collector.events.model import Action, BounceKind, Direction, Entry, MailEvent, Provider, Reason, Source
from collector.events.pattern import PATTERN_CHARACTERS, response_pattern
from collector.events.plain import plain_fields
from collector.events.provider import provider_of
from collector.events.reason import bounce_kind, reason_of
from collector.events.reply import codes
from collector.events.signals import signal_of

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
"""ZoneMTA's words (design: "Units"); every other word is `other`."""

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
"""Fields whose text is a column as it is written; the others have a rule."""

EVENT_ID_BYTES = 200
HASH_DIGITS = 32
MINUTE_MS = 60_000
LONGEST_IN_QUEUE_MS = 60 * 86_400_000
YEAR_2200_MS = 7_258_118_400_000

_FAILURES = frozenset({Action.DEFERRED, Action.BOUNCED})
_ENDS_UNSENT = frozenset({Action.DROPPED, Action.REFUSED, Action.DELETED})
_QUEUED_AT = re.compile(r"[0-9A-Fa-f]{11}")
"""A queue id starts with the epoch ms of its making, in hex (facts/zonemta.md)."""


def mail_event(entry: Entry, *, source: Source, received_at: int, public_ips: Mapping[str, str]) -> MailEvent:
    """The row of an entry (docs/events.md, section 2). `public_ips` maps canonical addresses. Never raises."""
    try:
        return _row(entry, source, received_at, public_ips)
    except (ValueError, OverflowError, TypeError, RecursionError):
        # The border lets no such entry pass. One from elsewhere is made plain first; nothing is lost for it.
        plain = msgspec.structs.replace(entry, fields=plain_fields(entry.fields, prune=True))
        return _row(plain, source, received_at, public_ips)


def _row(entry: Entry, source: Source, received_at: int, public_ips: Mapping[str, str]) -> MailEvent:
    fields = Fields(entry.fields, TEXT_COLUMNS)
    action = _action(fields)
    attempt = fields.integer("defcount", INT32_MAX)
    event_id = _event_id(entry.fields, _occurrence(entry.fields, action, attempt))
    mx_host, provider = _mx(fields)
    reply = _reply(fields, action, provider)
    direction, sender, sender_domain = _sender(fields)
    recipients, recipient, recipient_domain = _recipient(fields)
    return MailEvent(
        entry.time,
        entry.cluster,
        entry.host,
        event_id,
        action,
        source,
        direction,
        recipients=recipients,
        message_id=fields.text("message-id", "messageId"),
        sender=sender,
        sender_domain=sender_domain,
        return_path=_return_path(fields),
        recipient=recipient,
        recipient_domain=recipient_domain,
        mx_host=mx_host,
        mx_ip=_ip(fields, "host"),
        provider=provider,
        local_ip=_local_ip(fields, public_ips),
        smtp_code=reply.smtp_code,
        enhanced_code=reply.enhanced_code,
        reason=reply.reason,
        bounce_kind=reply.bounce_kind,
        provider_code=reply.provider_code,
        response=reply.response,
        response_pattern=reply.response_pattern,
        attempt=attempt,
        next_attempt=fields.integer("nextattempt", YEAR_2200_MS),
        size_bytes=_size(fields),
        smtp_ms=fields.integer("timer", INT32_MAX),
        queue_ms=_queue_ms(entry.time, entry.fields.get("id")),
        tls_authorized=fields.boolean("tlsAuthorized") if fields.rest.get("tls") is True else None,
        spam_score=fields.number("score"),
        drop_reason=fields.text("description", "reason", "error") if action in _ENDS_UNSENT else None,
        subject_hmac=entry.subject_hmac,
        received_at=received_at,
        **fields.texts,
        raw=fields.json(),
    )


class _Reply(NamedTuple):
    """What a row says of the other side's answer."""

    smtp_code: int | None = None
    enhanced_code: str | None = None
    reason: Reason | None = None
    bounce_kind: BounceKind | None = None
    provider_code: str | None = None
    response: str | None = None
    response_pattern: str | None = None


_NO_REPLY = _Reply()


def _reply(fields: Fields, action: Action, provider: Provider | None) -> _Reply:
    response = fields.whole_text("response") or fields.whole_text("responseText") or ""
    is_failure = action in _FAILURES
    if not response and not is_failure:
        return _NO_REPLY
    smtp_code, enhanced_code = (None, None) if fields.rest.get("protocol") == "http" else codes(response)
    pattern = response_pattern(response)
    reason, kind, provider_code = None, None, None
    if is_failure:
        signal = signal_of(response, enhanced_code, provider)
        provider_code = signal.code if signal else None
        reason = signal.reason if signal else reason_of(response, pattern, enhanced_code, fields.texts.get("category"))
        kind = bounce_kind(smtp_code, reason) if action is Action.BOUNCED else None
    shown = pattern[:PATTERN_CHARACTERS] or None
    return _Reply(smtp_code, enhanced_code, reason, kind, provider_code, cut(response) or None, shown)


def _action(fields: Fields) -> Action:
    word = fields.rest.get("action")
    if type(word) is not str or word not in ACTIONS:
        return Action.OTHER
    del fields.rest["action"]
    return ACTIONS[word]


def _occurrence(entry: dict[str, Any], action: Action, attempt: int | None) -> str:
    """What happened, told apart from the message's other events: `<action>[:<detail>]`."""
    detail: object = None
    if action is Action.DEFERRED:
        detail = attempt
    elif action is Action.DSN_QUEUED:
        detail = entry.get("bounceType")
    elif action is Action.OTHER:
        detail = entry.get("action")
    return f"{action.value}:{detail}" if type(detail) in (str, int) else action.value


def _event_id(entry: dict[str, Any], occurrence: str) -> str:
    queue_id, seq = entry.get("id"), entry.get("seq")
    # With a seq of another type the id would not tell two recipients apart.
    if type(queue_id) is not str or not queue_id or (seq is not None and type(seq) is not str):
        return _hashed(msgspec.json.encode(entry, order="sorted"))
    event_id = f"{queue_id}.{seq}:{occurrence}" if seq else f"{queue_id}:{occurrence}"
    if len(event_id) * 4 > EVENT_ID_BYTES and len(encoded := event_id.encode()) > EVENT_ID_BYTES:
        return _hashed(encoded)
    return event_id


def _hashed(identity: bytes) -> str:
    return "h:" + hashlib.sha256(identity).hexdigest()[:HASH_DIGITS]


def _sender(fields: Fields) -> tuple[Direction, str | None, str | None]:
    written = fields.rest.get("from")
    if type(written) is not str:
        return Direction.OUTBOUND, None, None
    if written in ("", "<>"):
        del fields.rest["from"]
        return Direction.DSN, None, None
    sender, domain = _address(fields.whole_text("from") or "")
    return Direction.OUTBOUND, sender, domain


def _return_path(fields: Fields) -> str | None:
    written = fields.whole_text("returnPath")
    return cut(address.bare(written)) or None if written else None


def _recipient(fields: Fields) -> tuple[int | None, str | None, str | None]:
    """The number of recipients that the row speaks for, the one recipient if it is one, and its domain."""
    listed = fields.rest.get("to")
    count = address.count(listed) if type(listed) is str and listed else None
    recipients = 1 if "seq" in fields.texts else count
    key = "to"
    if count is None:
        fields.text("to")
        key, other = "recipient", fields.rest.get("recipient")
        count = address.count(other) if type(other) is str else None
    if count != 1:
        return recipients, None, None
    return recipients, *_address(fields.whole_text(key) or "")


def _address(written: str) -> tuple[str | None, str | None]:
    """An address as its column holds it, and its domain."""
    whole = address.bare(written)
    domain = address.domain(whole)
    return cut(whole) or None, domain and cut(domain)


def _mx(fields: Fields) -> tuple[str | None, Provider | None]:
    written = fields.rest.get("mx")
    if type(written) is not str or not written:
        return fields.text("mx"), None
    host = written.lower().rstrip(".")
    held = cut(host)
    if held == written:
        del fields.rest["mx"]
    return held or None, provider_of(host)


def _ip(fields: Fields, key: str) -> str | None:
    written = fields.rest.get(key)
    if type(written) is not str or not written:
        return fields.text(key)
    canonical = address.canonical_ip(written)
    if canonical == written:
        del fields.rest[key]
    return canonical


def _local_ip(fields: Fields, public_ips: Mapping[str, str]) -> str | None:
    written = fields.rest.get("ip")
    if public_ips and type(written) is str:
        canonical = address.canonical_ip(written)
        if canonical is not None and canonical in public_ips:
            return public_ips[canonical]
    return _ip(fields, "ip")


def _size(fields: Fields) -> int | None:
    size = fields.integer("size")
    return fields.integer("body") if size is None else size


def _queue_ms(time: int, queue_id: object) -> int | None:
    if type(queue_id) is not str or not _QUEUED_AT.match(queue_id):
        return None
    waited = time - int(queue_id[:11], 16)
    if 0 <= waited <= LONGEST_IN_QUEUE_MS:
        return waited
    return 0 if -MINUTE_MS <= waited < 0 else None
