"""Reads inbound mail from the change stream of WildDuck's `messages` (docs/events.md, "Inbound mail"). Pure.

A change becomes an entry, and an entry becomes a row.

In WildDuck 1.46, a delivery by LMTP has `meta.source` MX. A message that is moved or copied is inserted again, with the
first `_id` as its `root`. A message that a user appends or sends has the source IMAP or API.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from collector.events.border.fields import Fields
from collector.events.model.event import Action, Direction, MailEvent, Source
from collector.events.sources.envelope import envelope_of
from collector.events.sources.zonemta import bounded_id
from collector.events.sources.zonemta_queue import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.events.border.request_body import Item
    from collector.events.model.event import Entry

MESSAGES: Final = "messages"

FIELDS: Final = (
    "_id", "root", "user", "mailbox", "msgid", "size", "idate", "draft", "junk", "subject", "meta.source", "meta.from",
    "meta.to",
    "meta.origin", "meta.transtype", "meta.queueId", "meta.spamAction",
)  # fmt: skip
"""The fields of a document that are read: never its text, its headers or its structure."""

WORD: Final = "STORED"
"""The action of an entry for an inbound message."""

JUNK: Final = "junk"
"""The category of a message that WildDuck filed as spam on arrival."""

_TEXT_CHARACTERS: Final = 1000
_MOST_RECIPIENTS: Final = 100


def stored_item(change: Mapping[str, Any]) -> Item | None:
    """Return the event of a stored inbound message in the plugin's form, or None for any other change. Never raises."""
    document = change.get("fullDocument")
    if change.get("operationType") != "insert" or not isinstance(document, dict):
        return None
    meta = document.get("meta")
    if not isinstance(meta, dict) or meta.get("source") != "MX" or "_id" not in document:
        return None
    is_first = document.get("root", document["_id"]) == document["_id"]
    if not is_first or document.get("draft") is True:
        return None
    stored = document.get("idate")
    time = int(stored.timestamp() * 1000) if isinstance(stored, datetime) else moment(change)
    return {"time": time, "entry": _entry(document, meta)}


def _entry(document: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
    to = meta.get("to")
    said: dict[str, Any] = {
        "id": str(document["_id"]),
        "from": _text(meta.get("from")),
        "to": ",".join([text for one in to[:_MOST_RECIPIENTS] if (text := _text(one))])
        if isinstance(to, list)
        else _text(to),
        "user": _id(document.get("user")),
        "mailbox": _id(document.get("mailbox")),
        "messageId": _text(document.get("msgid")),
        "size": _size(document.get("size")),
        "src": _text(meta.get("origin")),
        "transtype": _text(meta.get("transtype")),
        "queueId": _text(meta.get("queueId")),
        "spamAction": _text(meta.get("spamAction")),
        "category": JUNK if document.get("junk") is True else None,
        "subject": _text(document.get("subject")),
    }
    return {"action": WORD} | {key: value for key, value in said.items() if value is not None}


def stored_event(entry: Entry, received_at: int) -> MailEvent:
    """Return the row of an entry that passed the border. Never raises."""
    fields = Fields(entry.fields)
    del fields.rest["action"]
    return MailEvent(
        entry.time,
        entry.cluster,
        entry.host,
        bounded_id(f"wd:stored:{fields.text('id')}"),
        Action.STORED,
        Source.CHANGE_STREAM,
        Direction.INBOUND,
        message_id=fields.text("messageId"),
        category=fields.text("category"),
        size_bytes=fields.integer("size"),
        **envelope_of(fields),
        subject_hmac=entry.subject_hmac,
        raw=fields.json(),
        received_at=received_at,
    )


def _text(value: object) -> str | None:
    return value[:_TEXT_CHARACTERS] if isinstance(value, str) and value else None


def _id(value: object) -> str | None:
    return None if value is None or isinstance(value, (bool, dict, list)) else str(value)[:_TEXT_CHARACTERS] or None


def _size(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value < 2**53 else None
