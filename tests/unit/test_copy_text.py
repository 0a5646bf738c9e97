"""COPY text: PostgreSQL reads the row's values unchanged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from collector.events.model.event import COLUMNS, Action, Direction, MailEvent, Source
from collector.store.writing.copy_text import line, timestamp

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
UNESCAPES = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}


def unescaped(field: str) -> str:
    """Return a field as PostgreSQL reads it (manual, COPY, "Text Format")."""
    out, rest = "", field
    while rest:
        if rest[0] == "\\":
            out, rest = out + UNESCAPES[rest[:2]], rest[2:]
        else:
            out, rest = out + rest[0], rest[1:]
    return out


@given(response=TEXT, queue_id=TEXT, raw=TEXT)
def test_every_text_comes_through_the_escapes(response: str, queue_id: str, raw: str) -> None:
    """Tabs, line ends and backslashes in any column change neither the number of columns nor their values."""
    event = MailEvent(
        1,
        "c",
        None,
        "e",
        Action.OTHER,
        Source.PLUGIN,
        Direction.OUTBOUND,
        queue_id=queue_id,
        response=response,
        raw=raw,
    )
    text = line(event)
    assert text.endswith("\n")
    fields = text[:-1].split("\t")
    assert len(fields) == len(COLUMNS)
    got = dict(zip(COLUMNS, fields, strict=True))
    assert unescaped(got["response"]) == response
    assert unescaped(got["queue_id"]) == queue_id
    assert unescaped(got["raw"]) == raw
    assert "\n" not in text[:-1]


def test_each_column_stands_in_its_place() -> None:
    """Each column's value is in its place, in the order of COLUMNS."""
    values = {name: f"<{name}>" for name in COLUMNS}
    numbers = {
        "time": 0, "next_attempt": 1000, "received_at": 2000, "recipients": 3, "smtp_code": 250, "attempt": 5,
        "size_bytes": 6, "smtp_ms": 7, "queue_ms": 8, "spam_score": 9.5, "tls_authorized": True,
    }  # fmt: skip
    event = MailEvent(**(values | numbers))  # type: ignore[arg-type]  # any text will do
    fields = dict(zip(COLUMNS, line(event)[:-1].split("\t"), strict=True))
    expected = (
        values
        | {name: str(value) for name, value in numbers.items()}
        | {
            "time": "1970-01-01 00:00:00.000+00",
            "next_attempt": "1970-01-01 00:00:01.000+00",
            "received_at": "1970-01-01 00:00:02.000+00",
            "tls_authorized": "t",
        }
    )
    assert fields == expected


@given(st.integers(min_value=0, max_value=7_258_118_400_000))
def test_a_timestamp_is_exact_to_the_millisecond(epoch_ms: int) -> None:
    """A timestamp is exact to the millisecond, because no float is used."""
    read = datetime.fromisoformat(timestamp(epoch_ms).replace("+00", "+00:00"))
    assert (read - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1) == epoch_ms
