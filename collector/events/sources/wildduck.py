"""Reads WildDuck's webhooks (docs/events.md, "WildDuck's webhooks"). Pure.

A body becomes entries, and an entry becomes its rows.

WildDuck 1.46 has 37 kinds of events (`lib/events.js`). Each registration of a webhook gets another `id` for the same
event, so `id` cannot identify it. Today no event holds a password. A future one may, and the link of a forward may hold
one, so secrets are removed.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from collector.events.border.decoding import take
from collector.events.border.fields import Fields, cut_text
from collector.events.border.json_values import MAX_DEPTH
from collector.events.border.request_body import Body, RejectedItem, read_body
from collector.events.model.event import Action, Direction, MailEvent, Source
from collector.events.model.side_tables import AuditEvent
from collector.events.sources.envelope import envelope_of
from collector.events.sources.zonemta import bounded_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.events.border.decoding import Border
    from collector.events.model.event import Entry, Submission
    from collector.events.model.side_tables import Record

MARKS: Final = {"marked.spam": Action.MARKED_SPAM, "marked.ham": Action.MARKED_HAM}

_SECRET: Final = re.compile(
    r"pass|pwd|secret|token|hash|salt|seed|private|credential|otp|cookie|authoriz|(?:\b|[a-z_-])key\b|\bpin\b",
    re.IGNORECASE,
)
_LINK: Final = re.compile(r"[a-z][a-z0-9+.-]{0,20}://\S*", re.IGNORECASE)
_DROPPED: Final = frozenset({"id", "ev", "time", "action"})
_LISTS: Final = ("from", "to")
_NAMES: Final = ("user", "mailbox", "message")
_DIGITS: Final = 12


def read_webhooks(body: bytes, *, received_at: int, border: Border) -> Submission:
    """Return the submission of one or more webhooks, nearly always one (`received_at` in epoch ms).

    Raise only `UnreadableError` and `TooLargeError`.
    """
    found = read_body(body, max_parts=border.max_parts, max_items=border.max_items)
    items = Body([_item(one) for one in found.items], {}, found.is_clean)
    return take(items, received_at=received_at, source=Source.WILDDUCK, border=border)


def _item(told: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return the webhook as an event with a time and an entry, or a `RejectedItem`; without secrets in both cases."""
    if type(told) is not dict:
        return told
    clean: dict[str, Any] = without_secrets(told)
    if type(clean.get("entry")) is dict:  # what a dead letter keeps
        return clean
    word = clean.get("ev")
    if type(word) is not str or not word:
        return RejectedItem(clean, "no `ev`")
    entry = {key: value for key, value in clean.items() if key not in _DROPPED} | {"action": word}
    for key in _LISTS:
        if isinstance(entry.get(key), (dict, list)):
            entry[key] = _addresses(entry[key])
    for key in _NAMES:
        if type(entry.get(key)) is int:
            entry[key] = str(entry[key])
    return {"time": clean.get("time"), "entry": entry}


def without_secrets(value: Any, levels: int = MAX_DEPTH) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value without fields whose name suggests a secret, and with only the host of each link.
    A value deeper than `levels` becomes null.
    """
    if type(value) is str:
        return _LINK.sub(_host, value) if "://" in value else value
    if not isinstance(value, (dict, list)):
        return value
    if not levels:
        return None
    if isinstance(value, list):
        return [without_secrets(one, levels - 1) for one in value]
    return {key: without_secrets(one, levels - 1) for key, one in value.items() if not _SECRET.search(key)}


def _host(link: re.Match[str]) -> str:
    scheme = link[0].partition("://")[0]
    try:
        return f"{scheme}://{urlsplit(link[0]).hostname or ''}"
    except ValueError:
        return f"{scheme}://"


def _addresses(value: object) -> str:
    """Return the addresses of people without their names, joined by commas. WildDuck writes `{address, name}`, or a
    list of these.
    """
    people = value if isinstance(value, list) else [value]
    found = [one.get("address") if isinstance(one, dict) else one for one in people]
    return ",".join([one for one in found if type(one) is str and one])


def webhook_rows_of(entry: Entry, received_at: int) -> Sequence[MailEvent | Record]:
    """Return the rows of an entry that passed the border: one of `audit_events`, and for a message that a user marked
    as spam or ham also one of `mail_events`.
    """
    identity = _identity(entry)
    fields = Fields(entry.fields)
    word = entry.fields["action"]
    del fields.rest["action"]
    user, mailbox, message = map(fields.text, _NAMES)
    audit = AuditEvent(
        entry.cluster, received_at, entry.time, identity, cut_text(word), user, mailbox, message, fields.json()
    )
    mark = MARKS.get(word)
    return [audit] if mark is None else [audit, _marked(entry, mark, identity, received_at)]


def _identity(entry: Entry) -> str:
    """Return `wd:<ev>:<time>:<user>:<mailbox>:<message>`. An event without a message may happen twice in a millisecond,
    so a hash of its fields is added.
    """
    fields = entry.fields
    names = [value if type(value := fields.get(key)) is str else "" for key in _NAMES]
    identity = f"wd:{fields['action']}:{entry.time}:{':'.join(names)}"
    if not names[2]:
        whole = msgspec.json.encode(fields, order="sorted")
        identity += f"h:{hashlib.sha256(whole).hexdigest()[:_DIGITS]}"
    return bounded_id(identity)


def _marked(entry: Entry, mark: Action, identity: str, received_at: int) -> MailEvent:
    fields = Fields(entry.fields)
    del fields.rest["action"]
    return MailEvent(
        entry.time,
        entry.cluster,
        entry.host,
        identity,
        mark,
        Source.WILDDUCK,
        Direction.INBOUND,
        message_id=fields.text("messageId"),
        **envelope_of(fields),
        subject_hmac=entry.subject_hmac,
        raw=fields.json(),
        received_at=received_at,
    )
