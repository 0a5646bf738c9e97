"""Dead letters: how a rejected event or row is written as a letter, and how the row is read back."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from collector.events.border.json_values import ascii_json
from collector.events.model.batch import Batch, DeadLetter
from collector.events.model.event import MailEvent, Rejection, RejectReason
from collector.events.model.side_tables import AuditEvent, AuthEvent, DnsblResult, HeldEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from collector.events.model.event import Entry, Heartbeat, Submission
    from collector.events.model.side_tables import Record

KEPT_CHARACTERS: Final = 65536
"""A dead letter keeps this many characters of its event."""

_KINDS: Final[Mapping[str, type[Record]]] = {
    kind.TABLE: kind for kind in (AuditEvent, AuthEvent, DnsblResult, HeldEvent)
}


class _TableForm(msgspec.Struct):
    """The form of a row of a table beside `mail_events` in a letter."""

    table: str
    row: msgspec.Raw


def rejection_of(entry: Entry) -> Rejection:
    """Return the rejection of an entry on which our own code failed."""
    event = {"time": entry.time, "context": entry.context, "host": entry.host, "entry": entry.fields}
    raw = msgspec.json.encode(event).decode()[:KEPT_CHARACTERS]
    return Rejection(entry.index, RejectReason.UNREAD, "the collector failed on it", entry.cluster, raw)


def letter_of(submission: Submission, rejection: Rejection) -> DeadLetter:
    """Return the letter of a rejection. Its id includes the place in the submission, so that a submission's rejections
    differ.
    """
    return DeadLetter(
        letter_id=f"{submission.request_id}:{rejection.index}",
        received_at=submission.received_at,
        cluster=rejection.cluster,
        source=submission.source,
        reason=rejection.reason,
        error=rejection.error,
        raw=rejection.raw,
    )


def letter_of_row(row: MailEvent | Record, sqlstate: str) -> DeadLetter:
    """Return the letter of a row that the database refuses. Its id is derived from the row's identity."""
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
    """Return the letter in ASCII, for a database whose encoding lacks one of its characters.

    The letter is JSON, so that it means the same with escapes.
    """
    return replace(letter, cluster=ascii_json(letter.cluster), raw=ascii_json(letter.raw))


def as_letters(rows: Iterable[MailEvent | Record], sqlstate: str) -> list[DeadLetter]:
    """Return the letters, in ASCII, of rows that a database in another encoding than UTF8 refuses."""
    return [in_ascii(letter_of_row(row, sqlstate)) for row in rows]


def in_letters(batch: Batch, sqlstate: str) -> Batch:
    """Return what a database in another encoding than UTF8 takes in place of a batch that it refuses, in ASCII.

    Events and records become dead letters. Heartbeats keep their numbers, their names are escaped.
    """
    letters = [*as_letters([*batch.events, *batch.records], sqlstate), *map(in_ascii, batch.letters)]
    heartbeats = [replace(seen, heartbeat=_in_ascii(seen.heartbeat)) for seen in batch.heartbeats]
    return Batch(letters=letters, heartbeats=heartbeats, traces=batch.traces)


def _in_ascii(heartbeat: Heartbeat) -> Heartbeat:
    said = {name: ascii_json(text) for name, text in msgspec.structs.asdict(heartbeat).items() if isinstance(text, str)}
    return msgspec.structs.replace(heartbeat, **said)


def row_of(letter: DeadLetter) -> MailEvent | Record:
    """Return the row of a letter that `letter_of_row` wrote. Raise `msgspec.MsgspecError` if the letter was cut."""
    try:
        decoded = msgspec.json.decode(letter.raw, type=_TableForm)
    except msgspec.ValidationError:
        return msgspec.json.decode(letter.raw, type=MailEvent)
    return msgspec.json.decode(decoded.row, type=_KINDS[decoded.table])
