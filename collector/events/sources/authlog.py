"""Reads logins from WildDuck's `authlog` and its GELF messages (docs/events.md, "Logins"). Pure.

Documents, changes and messages become entries, and an entry becomes a row of `auth_events`.

In WildDuck 1.46, logins of one user with the same protocol, address and result share one document for a while. Each
login after the first is only an update `{events, last}`. A login of an unknown user leaves no document, only a GELF
message.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from collector.events import addresses
from collector.events.border.fields import Fields
from collector.events.model.side_tables import AuthEvent
from collector.events.sources.gelf_message import time_of
from collector.events.sources.zonemta import bounded_id
from collector.events.sources.zonemta_queue import moment, mongo_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from collector.events.border.request_body import Item
    from collector.events.model.event import Entry, Source
    from collector.events.sources.gelf_message import Message

AUTHLOG: Final = "authlog"
"""The name of the collection, in WildDuck's database of users."""

FIELDS: Final = (
    "_id",
    "user",
    "action",
    "protocol",
    "requiredScope",
    "source",
    "result",
    "ip",
    "events",
    "created",
    "last",
)
"""The fields of a document that are read. A feed requests no others."""

WORD: Final = "AUTH"
"""The action of an entry for a login."""

PROTOCOLS: Final = {
    "imap": "imap", "imaps": "imap", "pop3": "pop3", "pop3s": "pop3", "pop": "pop3", "smtp": "smtp", "smtps": "smtp",
    "submission": "smtp",
    "api": "api", "master": "api", "web": "web", "webmail": "web", "http": "web", "https": "web",
}  # fmt: skip
"""WildDuck's `protocol`, or the scope if there is none. A client of its API may send any protocol."""

RESULTS: Final = {
    "success": "success", "fail": "failed", "unknown": "unknown_user", "suspended": "suspended", "disabled": "disabled",
    "scope_disabled": "scope_disabled", "ratelimited": "rate_limited", "error": "error",
}  # fmt: skip
OTHER: Final = "other"

IN_AUTHLOG: Final = frozenset({"success", "fail", "suspended", "disabled", "scope_disabled"})
"""Results that leave a document if the user is known and the password was checked."""

WITHOUT_RESULT: Final = "scope_disabled"
"""The result of a document without `result`: WildDuck writes none in this case."""

MOST: Final = 2**31 - 1
_TEXT_CHARACTERS: Final = 1000


class KnownDocument(msgspec.Struct, frozen=True):
    """The last known state of a document: its entry, and the number of logins counted."""

    entry: Mapping[str, Any]
    events: int


class Logins:
    """Applies changes of `authlog`, in order. `known` must hold the stored documents among those that `logins_named_by`
    returns.

    `items` are the resulting events in the plugin's form. `unknown` are the ids of updated documents that are not
    known. The caller reads these documents and passes them to `document`.
    """

    def __init__(self, known: Mapping[str, KnownDocument]) -> None:
        self._known = dict(known)
        self.items: list[Item] = []
        self.unknown: list[str] = []

    def apply(self, change: Mapping[str, Any]) -> None:
        """Apply one change. Never raises for a change that MongoDB can send."""
        kind = change.get("operationType")
        if kind in ("insert", "replace"):
            self.document(change.get("fullDocument"), moment(change))
        elif kind == "update":
            description = change.get("updateDescription")
            fields = description.get("updatedFields") if isinstance(description, dict) else None
            self._count_up(mongo_id(change), fields if isinstance(fields, dict) else {}, moment(change))

    def document(self, document: object, seen_at: int) -> None:
        """Apply the current state of a document. Logins that were counted before do not count again. Never raises."""
        entry = login_entry_of(document) if isinstance(document, dict) else None
        if entry is None or not isinstance(document, dict):
            return
        known = self._known.get(entry["id"])
        last = document.get("last")
        self._tell(entry, known, _count(document.get("events")) or 1, _ms(last, seen_at))

    def _count_up(self, key: str, fields: Mapping[str, Any], seen_at: int) -> None:
        events = _count(fields.get("events"))
        if events is None:
            return
        known = self._known.get(key)
        if known is None:
            self.unknown.append(key)
        else:
            self._tell(known.entry, known, events, _ms(fields.get("last"), seen_at))

    def _tell(self, entry: Mapping[str, Any], known: KnownDocument | None, events: int, time: int) -> None:
        more = events - (known.events if known else 0)
        if more <= 0:
            return
        told = {**entry, "count": more, "events": events}
        self._known[entry["id"]] = KnownDocument(told, events)
        self.items.append({"time": time, "entry": told})


def logins_named_by(changes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the ids of the documents in these changes of `authlog`."""
    return list({mongo_id(change) for change in changes})


def login_entry_of(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the entry of a document, or None if it is not a login. `authlog` also has changed passwords, new filters
    and other actions.
    """
    if document.get("action") != "authentication" or "_id" not in document:
        return None
    said = {
        "id": str(document["_id"]),
        "protocol": _text(document.get("protocol")) or _text(document.get("requiredScope")),
        "result": _text(document.get("result")) or WITHOUT_RESULT,
        "user": _id(document.get("user")),
        "src": _text(document.get("ip")),
        "scope": _text(document.get("requiredScope")),
        "credential": _text(document.get("source")),
    }
    return {"action": WORD} | {key: value for key, value in said.items() if value is not None}


def logged(message: Message, received_at: int) -> Item | None:
    """Return the login in a GELF message of WildDuck, or None if it has none. For sites without a feed of `authlog`.
    Never raises.
    """
    result = message.get("_auth_result")
    if type(result) is not str or not result:
        return None
    said = {
        "protocol": _text(message.get("_scope")),
        "result": result[:_TEXT_CHARACTERS],
        "user": _id(message.get("_user")),
        "username": _text(message.get("_username")),
        "src": _text(message.get("_ip")),
        "session": _text(message.get("_sess")),
        "credential": _text(message.get("_password_type")),
    }
    entry = {"action": WORD} | {key: value for key, value in said.items() if value is not None}
    return {"time": time_of(message, received_at), "host": message.get("host"), "entry": entry}


def logged_beside_authlog(message: Message, received_at: int) -> Item | None:
    """Return the login in a GELF message if it leaves no document in `authlog`, else None. For sites with a feed of
    `authlog`.
    """
    item = logged(message, received_at)
    if item is None:
        return None
    result = message["_auth_result"]
    # WildDuck refuses a password that is known to have leaked, and leaves no document.
    leaves_one = result in IN_AUTHLOG and message.get("_user") and (result != "fail" or "_password_type" in message)
    return None if leaves_one else item


def known_of(event: AuthEvent) -> tuple[str, KnownDocument] | None:
    """Return the id of a row's document and its state after this row; None for a row from a GELF message."""
    document, _, events = event.event_id.removeprefix("wd:auth:").rpartition(":")
    if not document or document == "h" or not events.isdigit():
        return None
    said = {
        "id": document, "protocol": event.protocol, "result": event.result, "user": event.user_id,
        "username": event.username,
        "src": event.source_ip,
    }  # fmt: skip
    more: dict[str, Any] = msgspec.json.decode(event.raw) if event.raw else {}
    told = more | {
        key: value for key, value in said.items() if value is not None and (value != OTHER or key not in more)
    }
    return document, KnownDocument({"action": WORD} | told, int(events))


def login_of(entry: Entry, source: Source, received_at: int) -> AuthEvent:
    """Return the row of an entry that passed the border. Never raises."""
    fields = Fields(entry.fields)
    protocol, result = _one_of(fields, "protocol", PROTOCOLS), _one_of(fields, "result", RESULTS)
    count = fields.integer("count", MOST)
    del fields.rest["action"]
    document, events = fields.text("id"), fields.integer("events", MOST)
    return AuthEvent(
        entry.cluster,
        received_at,
        entry.time,
        bounded_id(f"wd:auth:{document}:{events or 0}") if document else _hashed(entry),
        source,
        protocol,
        result,
        fields.text("user"),
        fields.text("username"),
        _source_ip(fields),
        1 if count is None else count,
        fields.json(),
    )


def _one_of(fields: Fields, key: str, words: Mapping[str, str]) -> str:
    """Return the mapped value of a field, and take the field out. An unknown value gives `other`, and stays in `raw`.
    A value that is mapped already is returned unchanged.
    """
    said = fields.rest.get(key)
    word = words.get(said.lower(), said if said in words.values() else None) if type(said) is str else None
    if word is not None:
        del fields.rest[key]
    return word or OTHER


def _source_ip(fields: Fields) -> str | None:
    said = fields.text("src")
    return said if said is None else addresses.canonical_ip(said) or said


def _hashed(entry: Entry) -> str:
    whole = msgspec.json.encode(entry.fields, order="sorted")
    return f"wd:auth:h:{hashlib.sha256(whole).hexdigest()[:32]}"


def _text(value: object) -> str | None:
    return value[:_TEXT_CHARACTERS] if isinstance(value, str) and value else None


def _id(value: object) -> str | None:
    """Return an id as text. It is an ObjectId of MongoDB, or text in a message."""
    return None if value is None or isinstance(value, (bool, dict, list)) else str(value)[:_TEXT_CHARACTERS] or None


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 1 <= value <= MOST else None


def _ms(value: object, otherwise: int) -> int:
    return int(value.timestamp() * 1000) if isinstance(value, datetime) else otherwise
