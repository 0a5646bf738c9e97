"""ZoneMTA's log entries as rows of `mail_events`: which field fills which column, and what stays in `raw`."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from collector.events import address
from collector.events.fields import INT32_MAX, Fields, cut
from collector.events.model import Action, BounceKind, Direction, Entry, MailEvent, Provider, Reason, Source
from collector.events.pattern import response_pattern
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

EVENT_ID_BYTES = 200
HASH_DIGITS = 32
MINUTE_MS = 60_000
LONGEST_IN_QUEUE_MS = 60 * 86_400_000
YEAR_2200_MS = 7_258_118_400_000

_FAILURES = (Action.DEFERRED, Action.BOUNCED)
_ENDS_UNSENT = (Action.DROPPED, Action.REFUSED, Action.DELETED)
_QUEUED_AT = re.compile(r"[0-9A-Fa-f]{11}")
"""A queue id starts with the epoch ms of its making, in hex (facts/zonemta.md)."""


def mail_event(entry: Entry, *, source: Source, received_at: int, public_ips: Mapping[str, str]) -> MailEvent:
    """The row of an entry (docs/events.md, section 2). `public_ips` maps canonical addresses. Never raises."""
    try:
        return _row(entry, source, received_at, public_ips)
    except (ValueError, OverflowError, TypeError, RecursionError):
        # The border lets no such entry pass. One from elsewhere is made plain first; nothing is lost for it.
        return _row(
            msgspec.structs.replace(entry, fields=plain_fields(entry.fields, prune=True)),
            source,
            received_at,
            public_ips,
        )


def _row(entry: Entry, source: Source, received_at: int, public_ips: Mapping[str, str]) -> MailEvent:
    fields = Fields(entry.fields)
    action = _action(fields)
    queue_id = fields.whole_text("id")
    seq = fields.whole_text("seq")
    mx_host, provider = _mx(fields)
    reply = _reply(fields, action, provider)
    attempt = fields.integer("defcount", INT32_MAX)
    direction, sender, sender_domain = _sender(fields)
    recipients, recipient, recipient_domain = _recipient(fields, seq)
    return MailEvent(
        time=entry.time,
        cluster=entry.cluster,
        host=entry.host,
        event_id=_event_id(entry, fields, queue_id, seq, _occurrence(fields, action, attempt)),
        action=action,
        source=source,
        direction=direction,
        queue_id=queue_id and cut(queue_id),
        seq=seq and cut(seq),
        recipients=recipients,
        message_id=fields.text("message-id") or fields.text("messageId"),
        zone=fields.text("zone"),
        interface=fields.text("interface"),
        auth_user=fields.text("user"),
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
        category=reply.category,
        reason=reply.reason,
        bounce_kind=reply.bounce_kind,
        provider_code=reply.provider_code,
        response=reply.response,
        response_pattern=reply.response_pattern,
        attempt=attempt,
        next_attempt=fields.integer("nextattempt", YEAR_2200_MS),
        size_bytes=_size(fields),
        smtp_ms=fields.integer("timer", INT32_MAX),
        queue_ms=_queue_ms(entry.time, queue_id),
        tls_version=fields.text("tlsVersion"),
        tls_authorized=fields.boolean("tlsAuthorized") if fields.rest.get("tls") is True else None,
        spam_score=fields.number("score"),
        fbl_id=fields.text("fbl"),
        drop_reason=_drop_reason(fields, action),
        subject_hmac=entry.subject_hmac,
        raw=fields.json(),
        received_at=received_at,
    )


class _Reply(NamedTuple):
    smtp_code: int | None = None
    enhanced_code: str | None = None
    category: str | None = None
    reason: Reason | None = None
    bounce_kind: BounceKind | None = None
    provider_code: str | None = None
    response: str | None = None
    response_pattern: str | None = None


def _reply(fields: Fields, action: Action, provider: Provider | None) -> _Reply:
    category = fields.text("category")
    response = fields.whole_text("response") or fields.whole_text("responseText")
    smtp_code, enhanced_code = None, None
    if response is not None and fields.rest.get("protocol") != "http":
        smtp_code, enhanced_code = codes(response)
    reason, kind, provider_code = None, None, None
    if action in _FAILURES:
        signal = signal_of(response or "", enhanced_code, provider)
        reason = signal.reason if signal else reason_of(response or "", enhanced_code, category)
        provider_code = signal.code if signal else None
        kind = bounce_kind(smtp_code, reason) if action is Action.BOUNCED else None
    return _Reply(
        smtp_code,
        enhanced_code,
        category,
        reason,
        kind,
        provider_code,
        response and cut(response),
        response and response_pattern(response),
    )


def _action(fields: Fields) -> Action:
    word = fields.rest.get("action")
    action = ACTIONS.get(word) if type(word) is str else None
    if action is None:
        return Action.OTHER
    del fields.rest["action"]
    return action


def _occurrence(fields: Fields, action: Action, attempt: int | None) -> str:
    """What happened, told apart from the message's other events: `<action>[:<detail>]`."""
    detail: object = None
    if action is Action.DEFERRED:
        detail = attempt
    elif action is Action.DSN_QUEUED:
        detail = fields.rest.get("bounceType")
    elif action is Action.OTHER:
        detail = fields.rest.get("action")
    return f"{action.value}:{detail}" if type(detail) in (str, int) else action.value


def _event_id(entry: Entry, fields: Fields, queue_id: str | None, seq: str | None, occurrence: str) -> str:
    # A seq of another type stays in `fields`: the id would not tell two recipients apart.
    if queue_id is None or (seq is None and "seq" in fields.rest):
        return _hashed(msgspec.json.encode(entry.fields, order="sorted"))
    event_id = f"{queue_id}.{seq}:{occurrence}" if seq else f"{queue_id}:{occurrence}"
    if len(event_id) * 4 > EVENT_ID_BYTES and len(encoded := event_id.encode()) > EVENT_ID_BYTES:
        return _hashed(encoded)
    return event_id


def _hashed(identity: bytes) -> str:
    return "h:" + hashlib.sha256(identity).hexdigest()[:HASH_DIGITS]


def _sender(fields: Fields) -> tuple[Direction, str | None, str | None]:
    written = fields.rest.get("from")
    if written in ("", "<>"):
        del fields.rest["from"]
        return Direction.DSN, None, None
    sender = fields.whole_text("from")
    return Direction.OUTBOUND, *_address(sender)


def _return_path(fields: Fields) -> str | None:
    return _address(fields.whole_text("returnPath"))[0]


def _address(written: str | None) -> tuple[str | None, str | None]:
    """An address as its column holds it, and its domain."""
    if written is None:
        return None, None
    whole = address.bare(written)
    domain = address.domain(whole)
    return cut(whole) or None, domain and cut(domain)


def _recipient(fields: Fields, seq: str | None) -> tuple[int | None, str | None, str | None]:
    written = fields.rest.get("to")
    listed = address.count(written) if type(written) is str and written else None
    recipients = 1 if seq else listed
    key = "to" if listed is not None else "recipient"
    if listed is None:
        fields.text("to")
        written = fields.rest.get("recipient")
    if type(written) is not str or (written and (listed or address.count(written)) != 1):
        return recipients, None, None
    return recipients, *_address(fields.whole_text(key))


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
    local_ip = _ip(fields, "ip")
    if local_ip is None or local_ip not in public_ips:
        return local_ip
    fields.rest.setdefault("ip", written)
    return public_ips[local_ip]


def _size(fields: Fields) -> int | None:
    size = fields.integer("size")
    return fields.integer("body") if size is None else size


def _queue_ms(time: int, queue_id: str | None) -> int | None:
    if queue_id is None or not _QUEUED_AT.match(queue_id):
        return None
    waited = time - int(queue_id[:11], 16)
    if 0 <= waited <= LONGEST_IN_QUEUE_MS:
        return waited
    return 0 if -MINUTE_MS <= waited < 0 else None


def _drop_reason(fields: Fields, action: Action) -> str | None:
    if action not in _ENDS_UNSENT:
        return None
    return fields.text("description") or fields.text("reason") or fields.text("error")
