"""Rows as COPY text: the quickest way into the table, in PostgreSQL's own escapes. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, LiteralString

from collector.events.model.event import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.events.model.columns import Columns
    from collector.events.model.event import MailEvent

COLUMN_LIST: LiteralString = ", ".join(COLUMNS)

COPY_EVENTS: LiteralString = f"COPY mail_events ({COLUMN_LIST}) FROM STDIN (NULL '')"
"""An empty field is NULL: parsing leaves no empty strings, so nothing is lost, and a row needs no marker per column."""

_TABS = len(COLUMNS) - 1
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@lru_cache(maxsize=4096)
def _second(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


_MILLISECONDS = [f".{ms:03d}+00" for ms in range(1000)]


def timestamp(epoch_ms: int) -> str:
    """Returns a timestamptz literal."""
    return _second(epoch_ms // 1000) + _MILLISECONDS[epoch_ms % 1000]


def flag(value: bool) -> str:  # noqa: FBT001  # mapped over a column
    """Returns a boolean literal."""
    return "t" if value else "f"


_WRITE: dict[str, Callable[[Any], str]] = {
    "time": timestamp,
    "next_attempt": timestamp,
    "received_at": timestamp,
    "tls_authorized": flag,
    "recipients": str,
    "smtp_code": str,
    "attempt": str,
    "size_bytes": str,
    "smtp_ms": str,
    "queue_ms": str,
    "spam_score": str,
}
"""How a column that is no text becomes one."""

_REPEATED = frozenset({"received_at", "recipients", "smtp_code", "tls_authorized"})
"""Of those the ones that hold few values in many rows."""


def encode_columns(columns: Columns) -> bytes:
    """Returns the same as `encode`, for rows that come column by column."""
    fields: list[Sequence[str]] = []
    for is_there, names in groupby(COLUMNS, columns.values.__contains__):
        if is_there:
            fields += [_column(name, columns.values[name], is_whole=name in columns.whole) for name in names]
        else:
            # A run of null columns is one field that holds the tabs between them.
            fields.append(["\t" * (len(list(names)) - 1)] * columns.count)
    text = "\n".join(map("\t".join, zip(*fields, strict=True))) + "\n"
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if text.count("\t") != _TABS * columns.count or text.count("\n") != columns.count or "\r" in text:
        whole = [_column(name, columns.column(name), is_whole=False) for name in COLUMNS]
        rows = zip(*whole, strict=True)
        text = "".join(["\t".join([field.translate(_ESCAPES) for field in row]) + "\n" for row in rows])
    return text.encode()


def _column(name: str, values: Sequence[Any], *, is_whole: bool) -> Sequence[str]:
    """Returns the column as text, null as the empty one."""
    write = _WRITE.get(name)
    if not is_whole and None in values:
        return ["" if value is None else write(value) if write else value for value in values]
    if write is None:
        return values
    if name in _REPEATED:
        written = {value: write(value) for value in set(values)}
        return [written[value] for value in values]
    return list(map(write, values))


def encode(events: Sequence[MailEvent]) -> bytes:
    """Returns the rows as COPY text in UTF-8."""
    return "".join([line(event) for event in events]).encode()


def line(event: MailEvent) -> str:
    """Returns one row, its line end included."""
    fields = _fields(event)
    row = "\t".join(fields)
    if "\\" in row:
        row = row.replace("\\", "\\\\")
    if row.count("\t") != _TABS or "\n" in row or "\r" in row:
        row = "\t".join([field.translate(_ESCAPES) for field in fields])
    return row + "\n"


def _fields(e: MailEvent) -> tuple[str, ...]:
    # Spelled out, in the order of COLUMNS (a test holds it to that): a loop over the columns takes four times as long.
    return (
        timestamp(e.time),
        e.cluster,
        e.host or "",
        e.event_id,
        e.action,
        e.source,
        e.direction,
        e.queue_id or "",
        e.seq or "",
        "" if e.recipients is None else str(e.recipients),
        e.message_id or "",
        e.zone or "",
        e.interface or "",
        e.auth_user or "",
        e.sender or "",
        e.sender_domain or "",
        e.return_path or "",
        e.recipient or "",
        e.recipient_domain or "",
        e.mx_host or "",
        e.mx_ip or "",
        e.provider or "",
        e.local_ip or "",
        "" if e.smtp_code is None else str(e.smtp_code),
        e.enhanced_code or "",
        e.category or "",
        e.reason or "",
        e.bounce_kind or "",
        e.provider_code or "",
        e.response or "",
        e.response_pattern or "",
        "" if e.attempt is None else str(e.attempt),
        "" if e.next_attempt is None else timestamp(e.next_attempt),
        "" if e.size_bytes is None else str(e.size_bytes),
        "" if e.smtp_ms is None else str(e.smtp_ms),
        "" if e.queue_ms is None else str(e.queue_ms),
        e.tls_version or "",
        "" if e.tls_authorized is None else "t" if e.tls_authorized else "f",
        "" if e.spam_score is None else str(e.spam_score),
        e.fbl_id or "",
        e.drop_reason or "",
        e.subject_hmac or "",
        e.raw or "",
        timestamp(e.received_at),
    )
