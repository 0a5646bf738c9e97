"""Rows as COPY text: the quickest way into the table, in PostgreSQL's own escapes. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, LiteralString

from collector.events.model.column_types import COLUMN_TYPES, NEVER_NULL, TIMESTAMPS
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
    """Return a timestamptz literal."""
    return _second(epoch_ms // 1000) + _MILLISECONDS[epoch_ms % 1000]


def flag(value: bool) -> str:  # noqa: FBT001  # mapped over a column
    """Return a boolean literal."""
    return "t" if value else "f"


def _writer(name: str) -> Callable[[Any], str] | None:
    """Return how a value of the column becomes text; None for a column of text."""
    if name in TIMESTAMPS:
        return timestamp
    kind = COLUMN_TYPES[name]
    if issubclass(kind, str):
        return None
    return flag if kind is bool else str


_WRITE: dict[str, Callable[[Any], str]] = {name: write for name in COLUMNS if (write := _writer(name)) is not None}
"""How the value of a column that is not text becomes text."""

_REPEATED = frozenset({"received_at", "recipients", "smtp_code", "tls_authorized"})
"""Those of them that hold few values in many rows."""


def encode_columns(columns: Columns) -> bytes:
    """Return the same as `encode_copy`, from columns."""
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
    """Return the column as text; null becomes the empty text."""
    write = _WRITE.get(name)
    if not is_whole and None in values:
        return ["" if value is None else write(value) if write else value for value in values]
    if write is None:
        return values
    if name in _REPEATED:
        written = {value: write(value) for value in set(values)}
        return [written[value] for value in values]
    return list(map(write, values))


def encode_copy(events: Sequence[MailEvent]) -> bytes:
    """Return the rows as COPY text in UTF-8."""
    return "".join([line(event) for event in events]).encode()


def line(event: MailEvent) -> str:
    """Return one row, its line end included."""
    fields = _fields(event)
    row = "\t".join(fields)
    if "\\" in row:
        row = row.replace("\\", "\\\\")
    if row.count("\t") != _TABS or "\n" in row or "\r" in row:
        row = "\t".join([field.translate(_ESCAPES) for field in fields])
    return row + "\n"


def _expression(name: str) -> str:
    """Return the Python expression that writes the column of the event `e`."""
    value = f"e.{name}"
    written = f"{_WRITE[name].__name__}({value})" if name in _WRITE else value
    if name in NEVER_NULL:
        return written
    return f"'' if {value} is None else {written}" if name in _WRITE else f"{value} or ''"


_fields: Callable[[MailEvent], tuple[str, ...]] = eval(  # noqa: S307  # the text is made of our own column names
    f"lambda e: ({', '.join(map(_expression, COLUMNS))},)", {"timestamp": timestamp, "flag": flag, "str": str}
)
"""Returns the fields of a row, in the order of COLUMNS. Compiled, because a loop over the columns takes four times as
long.
"""
