"""ZoneMTA's queue, read from MongoDB's change streams: turns each change into log entries in ZoneMTA's form.

Observed on ZoneMTA 3.11: first an update of `mail.files` with the message's metadata; then an insert into the queue
collection for each recipient, and an update for each deferral (`_deferred.…`). When a recipient's delivery ends, for
any reason, a delete follows that carries only `_id`. An update names neither message nor recipient, so `QueueLedger`
keeps the known entries.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from collector.events.border.fields import id_text
from collector.events.sources.zonemta import SEQ_DIGITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILES: Final = "mail.files"
"""The GridFS collection of messages; its chunks, the bodies, are never read."""

API: Final = "API"
"""The transtype of mail that WildDuck's API puts straight into the queue. ZoneMTA logs no QUEUED for it."""

PIPELINE_STAGES: Final[list[dict[str, Any]]] = [
    # No row needs the lock of an entry or the log of its SMTP session.
    {"$match": {"updateDescription.updatedFields.locked": {"$ne": True}}},
    {"$unset": ["updateDescription.updatedFields._deferred.log"]},
]

_TEXT_CHARACTERS: Final = 1000


class QueueEntry(msgspec.Struct, frozen=True):
    """A recipient's entry in the queue. `queued_at` is epoch ms; `response` is the reply to the last attempt."""

    mongo_id: str
    queue_id: str
    seq: str
    zone: str | None
    domain: str | None
    recipient: str | None
    queued_at: int
    attempts: int = 0
    response: str | None = None

    @property
    def state(self) -> str:
        """`deferred` once an attempt has failed."""
        return "deferred" if self.attempts else "queued"


class QueueChanges(msgspec.Struct):
    """The result of a run of changes.

    `items` are in the form of the plugin's events. `messages` are the newly queued messages by queue id: the known
    fields, the number of new recipients, and the time (epoch ms). `entries` holds the new state of each changed entry,
    None if it has ended. `unknown` counts changes of entries that are not known.
    """

    items: list[dict[str, Any]] = []
    messages: dict[str, tuple[dict[str, Any], int, int]] = {}
    entries: dict[str, QueueEntry | None] = {}
    unknown: int = 0


class QueueLedger:
    """Applies changes to the known entries, in order. `known` must hold the entries that `entries_named_by` returns."""

    def __init__(self, known: Mapping[str, QueueEntry]) -> None:
        self._known = dict(known)
        self.changes = QueueChanges()

    def apply(self, change: Mapping[str, Any], collection: str) -> None:
        """Apply one change of the queue `collection` or of `mail.files`. Never raise for what MongoDB can send."""
        where, kind = _part(change, "ns").get("coll"), change.get("operationType")
        fields = _part(_part(change, "updateDescription"), "updatedFields")
        if where == FILES and kind == "update":
            self._message(_part(fields, "metadata.data"), moment(change))
        elif where == collection and kind in ("insert", "replace"):
            self.insert(_part(change, "fullDocument"), moment(change))
        elif where == collection and kind == "update":
            self._defer(mongo_id(change), fields, moment(change))
        elif where == collection and kind == "delete":
            self.end(mongo_id(change), moment(change))

    def insert(self, document: Mapping[str, Any], seen_at: int) -> None:
        """Add an entry of the queue. An entry that is known already is ignored."""
        entry = queue_entry_of(document, seen_at)
        if entry is None or entry.mongo_id in self._known:
            return
        self._keep(entry.mongo_id, entry)
        self._queued(entry.queue_id, {}, 1, entry.queued_at)
        deferred = _part(document, "_deferred")
        if deferred:  # found in the queue, with a history
            self._defer(entry.mongo_id, {"_deferred": deferred}, seen_at)

    def end(self, key: str, time: int) -> None:
        """Record that an entry has left the queue. The change stream does not say why."""
        entry = self._known.get(key)
        if entry is None:
            self.changes.unknown += 1
            return
        self._keep(key, None)
        self._tell(time, entry, action="RELEASED")

    def _message(self, data: Mapping[str, Any], time: int) -> None:
        queue_id = _text(id_text(data.get("id")))
        if queue_id:
            self._queued(queue_id, message_of(data), 0, time)

    def _queued(self, queue_id: str, about: dict[str, Any], recipients: int, time: int) -> None:
        known, count, first = self.changes.messages.get(queue_id, ({}, 0, time))
        self.changes.messages[queue_id] = (
            known | about,
            count + recipients,
            first if count or not recipients else time,
        )

    def _defer(self, key: str, fields: Mapping[str, Any], time: int) -> None:
        whole = _part(fields, "_deferred")
        get = whole.get if whole else lambda name: fields.get(f"_deferred.{name}")
        attempts = _number(get("count")) or (1 if whole else None)
        if attempts is None:
            return
        entry = self._known.get(key)
        if entry is None:
            self.changes.unknown += 1
            return
        # The reply is left out where it is the same as before.
        response = _text(get("response")) or entry.response
        entry = msgspec.structs.replace(entry, attempts=attempts, response=response)
        self._keep(key, entry)
        more = {"defcount": attempts, "response": response, "nextattempt": _number(get("next"))}
        self._tell(_number(get("last")) or time, entry, action="DEFERRED", **more)

    def _keep(self, key: str, entry: QueueEntry | None) -> None:
        self.changes.entries[key] = entry
        if entry is None:
            self._known.pop(key, None)
        else:
            self._known[key] = entry

    def _tell(self, time: int, entry: QueueEntry, **fields: str | int | None) -> None:
        said = {"id": entry.queue_id, "seq": entry.seq, "zone": entry.zone, "to": entry.recipient} | fields
        self.changes.items.append(
            {"time": time, "entry": {key: value for key, value in said.items() if value is not None}}
        )


def entries_named_by(changes: Iterable[Mapping[str, Any]], collection: str) -> list[str]:
    """Return the ids of the queue entries that these changes concern, each once."""
    return list({mongo_id(change) for change in changes if _part(change, "ns").get("coll") == collection})


def mongo_id(change: Mapping[str, Any]) -> str:
    """Return the `_id` of the changed document as text."""
    return str(_part(change, "documentKey").get("_id"))


def moment(change: Mapping[str, Any]) -> int:
    """Return the time of the change in epoch ms: the server's wall clock (MongoDB 6), else to the second."""
    wall, cluster = change.get("wallTime"), change.get("clusterTime")
    if isinstance(wall, datetime):
        return _ms(wall)
    seconds = getattr(cluster, "time", 0)
    return seconds * 1000 if isinstance(seconds, int) else 0


def queue_entry_of(document: Mapping[str, Any], seen_at: int) -> QueueEntry | None:
    """Return the queue entry of a document, or None if the document is not one."""
    queue_id, seq = _text(id_text(document.get("id"))), _text(id_text(document.get("seq"), SEQ_DIGITS))
    if not queue_id or not seq or "_id" not in document:
        return None
    created = document.get("created")
    return QueueEntry(
        str(document["_id"]),
        queue_id,
        seq,
        _text(document.get("sendingZone")),
        _text(document.get("domain")),
        _text(document.get("recipient")),
        _ms(created) if isinstance(created, datetime) else seen_at,
    )


def message_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a QUEUED log entry for the message. Of its headers only the Message-ID is read."""
    said = {
        "from": data.get("from") or "<>",
        "message-id": data.get("messageId"),
        "src": data.get("origin"),
        "user": data.get("user"),
        "body": _number(data.get("bodySize")),
    } | {key: data.get(key) for key in ("interface", "originhost", "transhost", "transtype")}
    return {key: value[:_TEXT_CHARACTERS] if isinstance(value, str) else value for key, value in said.items() if value}


def queued_item(queue_id: str, about: Mapping[str, Any], time: int) -> dict[str, Any]:
    """Return a message's QUEUED log entry in the form of the plugin's events."""
    return {"time": time, "entry": {"action": "QUEUED", "id": queue_id, **about}}


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    return part if isinstance(part, dict) else {}


def _text(value: object) -> str | None:
    return value[:_TEXT_CHARACTERS] if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value < 2**53 else None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
