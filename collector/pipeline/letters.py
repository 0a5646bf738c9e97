"""Dead letters: what is written of an event or a row that could not be stored, and how its row is read back."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from collector.events.model.batch import DeadLetter
from collector.events.model.event import MailEvent, Rejection, RejectReason
from collector.events.model.side_tables import AuditEvent, AuthEvent, DnsblResult, HeldEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.events.model.event import Entry, Request
    from collector.events.model.side_tables import Record

KEPT_CHARACTERS: Final = 65536
"""A dead letter keeps this much of its event."""

_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")

_KINDS: Final[Mapping[str, type[Record]]] = {
    kind.TABLE: kind for kind in (AuditEvent, AuthEvent, DnsblResult, HeldEvent)
}


class _OfTable(msgspec.Struct):
    """How a row of another table than `mail_events` stands in a letter."""

    table: str
    row: msgspec.Raw


def rejection_of(entry: Entry) -> Rejection:
    """Returns what sets an entry aside that our own reading failed on."""
    event = {"time": entry.time, "context": entry.context, "host": entry.host, "entry": entry.fields}
    raw = msgspec.json.encode(event).decode()[:KEPT_CHARACTERS]
    return Rejection(entry.index, RejectReason.UNREAD, "the collector failed on it", entry.cluster, raw)


def letter_of(request: Request, rejection: Rejection) -> DeadLetter:
    """Returns the letter of a rejection. Its id holds the place in the request, so one request's rejections differ."""
    return DeadLetter(
        letter_id=f"{request.request_id}:{rejection.index}",
        received_at=request.received_at,
        cluster=rejection.cluster,
        source=request.source,
        reason=rejection.reason,
        error=rejection.error,
        raw=rejection.raw,
    )


def letter_of_row(row: MailEvent | Record, sqlstate: str) -> DeadLetter:
    """Returns the letter of a row that the database refuses; its id comes from the row's identity."""
    if isinstance(row, MailEvent):
        identity: tuple[object, ...] = row.cluster, row.event_id, row.time
        source, raw = row.source, msgspec.json.encode(row)
    else:
        identity = row.TABLE, *row.key
        source, raw = row.origin, msgspec.json.encode({"table": row.TABLE, "row": row})
    name = hashlib.sha256("\n".join(map(str, identity)).encode()).hexdigest()[:32]
    return DeadLetter(
        letter_id=f"row:{name}",
        received_at=row.received_at,
        cluster=row.cluster,
        source=source,
        reason=RejectReason.BAD_ROW,
        error=f"the database refuses the row: SQLSTATE {sqlstate}",
        raw=raw.decode()[:KEPT_CHARACTERS],
    )


def in_ascii(letter: DeadLetter) -> DeadLetter:
    """Returns the same letter for a database whose encoding lacks a character of it: what is read from it is the same, being JSON."""
    return replace(letter, cluster=_escaped(letter.cluster), raw=_escaped(letter.raw))


def _escaped(text: str) -> str:
    """As JSON escapes what is not ASCII."""
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)


def row_of(letter: DeadLetter) -> MailEvent | Record:
    """Returns the row of a letter that `letter_of_row` wrote. Raises `msgspec.MsgspecError` where it was cut."""
    try:
        told = msgspec.json.decode(letter.raw, type=_OfTable)
    except msgspec.ValidationError:
        return msgspec.json.decode(letter.raw, type=MailEvent)
    return msgspec.json.decode(told.row, type=_KINDS[told.table])
