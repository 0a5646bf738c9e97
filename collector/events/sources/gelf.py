"""Reads GELF messages about mail, as zonemta-wildduck sends them, into ZoneMTA's log entries (docs/events.md, "GELF").
Pure.

The format is known from zonemta-wildduck's source (1.32, its `log:entry` hook), not from a recording.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from collector.events.border.fields import id_text
from collector.events.sources import authlog
from collector.events.sources.gelf_message import time_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.events.border.request_body import Item
    from collector.events.sources.gelf_message import Message, MessageReader

ACTIONS: Final = {
    "queued": "QUEUED",
    "accepted": "ACCEPTED",
    "deferred": "DEFERRED",
    "bounced": "REJECTED",
    "queue_bounce": "QUEUE_BOUNCE",
    "dropped": "DROP",
}
"""Maps `_mail_action` to ZoneMTA's action. `dropped` stands for three actions; the tag in `short_message` tells which.
"""

_DROPPED_TAG: Final = re.compile(r"[^\[]{0,64}\[(NOQUEUE|DROP|DELETED)\]")

FIELDS: Final = {
    "_queue_id": "id",
    "_queue_id_seq": "seq",
    "_from": "from",
    "_to": "to",
    "_message_id": "message-id",
    "_ip": "src",
    "_body_size": "body",
    "_spam_score": "score",
    "_spam_tests": "tests",
    "_interface": "interface",
    "_proto": "transtype",
    "_subject": "subject",
    "_authenticated_sender": "user",
    "_user": "user",
    "_header_from_value": "headerFrom",
    "_zone": "zone",
    "_mx": "mx",
    "_mx_host": "host",
    "_local_ip": "ip",
    "_response": "response",
    "_description": "description",
    "_bounce_category": "category",
    "_bounce_count": "defcount",
    "_delivery_protocol": "protocol",
    "_http_url": "httpUrl",
    "_http_response": "httpResponse",
    "_tls_version": "tlsVersion",
    "_tls_cipher": "tlsCipher",
    "_tls_authorization_error": "tlsAuthorizationError",
    "_rewrite_rcpt_from": "rwRcptFrom",
    "_rewrite_header_from": "rwHeaderFrom",
    "_queue_bounce_queued": "queued",
    "_queue_bounce_type": "bounceType",
    "_queue_bounce_id": "bounceId",
    "_error": "error",
}
"""Maps fields of a message to fields of the entry with the same value."""

_BOOLEANS: Final = {"_secure": "secure", "_tls": "tls", "_tls_authorized": "tlsAuthorized"}

_RESPONSES: Final = {"NOQUEUE": "responseText", "DROP": "reason", "DELETED": "reason"}
"""Actions whose `_response` is not the reply of a server, with the field of the entry for it."""

_WITH_SENDER: Final = frozenset({"QUEUED", "ACCEPTED", "DEFERRED", "REJECTED", "NOQUEUE"})
"""Actions whose entries always have a sender. A message omits empty fields, so the null sender is missing in it."""


def delivery(message: Message, received_at: int) -> Item | None:
    """Return the event of outbound mail in a GELF message, or None. An event without a queue id is ignored: it fills no
    slot, so that it could be counted twice.
    """
    word, queue_id = message.get("_mail_action"), id_text(message.get("_queue_id"))
    if type(word) is not str or word not in ACTIONS or type(queue_id) is not str or not queue_id:
        return None
    action = _dropped(message) if word == "dropped" else ACTIONS[word]
    entry: dict[str, Any] = {"action": action}
    for key, value in message.items():
        if (name := FIELDS.get(key)) is not None:
            entry[name] = value
    entry["id"] = queue_id  # a number of any size: the border takes 64 bits
    for key, name in _BOOLEANS.items():
        if (said := message.get(key)) == "yes" or said == "no":
            entry[name] = said == "yes"
    if action in _RESPONSES and "response" in entry:
        entry[_RESPONSES[action]] = entry.pop("response")
    if action in _WITH_SENDER:
        entry.setdefault("from", "")
    return {"time": time_of(message, received_at), "host": message.get("host"), "entry": entry}


READERS: Final[tuple[MessageReader, ...]] = (delivery, authlog.logged)
"""The readers of GELF messages. The first reader that knows a message decides."""

READERS_BESIDE_AUTHLOG: Final[tuple[MessageReader, ...]] = (delivery, authlog.logged_beside_authlog)
"""The readers for sites with a feed of `authlog`, so that each login counts once."""


def item_of(message: Message, received_at: int, readers: Sequence[MessageReader] = READERS) -> Item | None:
    """Return the event in a message, or None. Never raises."""
    return next((item for read in readers if (item := read(message, received_at)) is not None), None)


def _dropped(message: Message) -> str:
    said = message.get("short_message")
    tag = _DROPPED_TAG.match(said) if type(said) is str else None
    return tag[1] if tag else ACTIONS["dropped"]
