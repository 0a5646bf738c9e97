"""Rows as COPY text: the quickest way into the table, in PostgreSQL's own escapes. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, LiteralString

from collector.events.model import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.events.columns import Columns
    from collector.events.model import MailEvent

COLUMN_LIST: LiteralString = ", ".join(COLUMNS)

COPY_EVENTS: LiteralString = f"COPY mail_events ({COLUMN_LIST}) FROM STDIN (NULL '')"
"""An empty field is NULL: parsing leaves no empty strings, so nothing is lost, and a row needs no marker per column."""

_TIMES = frozenset({"time", "next_attempt", "received_at"})
_FLAGS = frozenset({"tls_authorized"})
_NUMBERS = frozenset({
    "recipients", "smtp_code", "attempt", "size_bytes", "smtp_ms", "queue_ms", "spam_score",
})  # fmt: skip
_FLAG = {None: "", True: "t", False: "f"}

_TABS = len(COLUMNS) - 1
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@lru_cache(maxsize=4096)
def _second(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


# The time of receipt is one for a whole request, and stamps of a batch repeat.
@lru_cache(maxsize=4096)
def timestamp(epoch_ms: int) -> str:
    """Returns a timestamptz literal."""
    seconds, ms = divmod(epoch_ms, 1000)
    return f"{_second(seconds)}.{ms:03d}+00"


def encode_columns(columns: Columns) -> bytes:
    """Returns the same as `encode`, for rows that come column by column."""
    count = columns.count
    fields = [_column(name, columns.values.get(name), count) for name in COLUMNS]
    text = "\n".join(map("\t".join, zip(*fields, strict=True))) + "\n"
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if text.count("\t") != _TABS * count or text.count("\n") != count or "\r" in text:
        rows = ["\t".join([field.translate(_ESCAPES) for field in row]) for row in zip(*fields, strict=True)]
        text = "\n".join(rows) + "\n"
    return text.encode()


def _column(name: str, values: Sequence[Any] | None, count: int) -> Sequence[str]:
    if values is None:
        return [""] * count
    if name in _TIMES:
        return (
            list(map(timestamp, values)) if None not in values else ["" if v is None else timestamp(v) for v in values]
        )
    if name in _FLAGS:
        return [_FLAG[value] for value in values]
    if name in _NUMBERS:
        return list(map(str, values)) if None not in values else ["" if v is None else str(v) for v in values]
    return values if None not in values else [value or "" for value in values]


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
