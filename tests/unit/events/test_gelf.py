"""Rows of zonemta-wildduck's GELF messages, compared with those of the plugin's events."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.events.border.decoding import Border, take
from collector.events.border.request_body import Body
from collector.events.conversion import rows_of
from collector.events.model.event import COLUMNS, MailEvent, Source
from collector.events.model.precedence import slots_of
from collector.events.sources.gelf import FIELDS, item_of
from collector.events.sources.gelf_message import time_of
from collector.events.sources.zonemta import mail_event
from tests.oracle.gelf import mail_message
from tests.oracle.recording import FIXTURES, read_lines, read_recording
from tests.unit.events.entries import NOW

UNSAID = {
    "delivered": {"return_path", "size_bytes", "smtp_ms"},
    "deferred": {"return_path", "size_bytes", "smtp_ms", "next_attempt"},
    "bounced": {"return_path", "size_bytes", "smtp_ms"},
    "refused": {"drop_reason"},
    "dropped": {
        "recipient",
        "recipient_domain",
        "interface",
        "response",
        "response_pattern",
        "size_bytes",
        "smtp_code",
    },
}
"""Action -> columns that GELF does not fill."""

GOOD: dict[str, Any] = {
    "short_message": "MTA [DEFERRED] q1.001",
    "_mail_action": "deferred",
    "_queue_id": "q1",
    "_queue_id_seq": "001",
    "_bounce_count": 3,
    "timestamp": NOW / 1000,
}


def row(item: dict[str, Any] | None, source: Source, now: int) -> MailEvent:
    assert item is not None
    request = take(Body([item], {}, is_clean=False), received_at=now, source=source, border=Border())
    assert request.rejections == []
    return mail_event(request.entries[0], source=source, received_at=now, public_ips={})


def test_every_recorded_entry_fills_the_slots_that_the_plugins_does() -> None:
    """Each recorded message fills the slots of the plugin's event, and its row differs only in NOT_SAID columns."""
    compared = Counter[str]()
    for record in read_recording():
        entry, now = record["entry"], record["time_ms"] + 500
        message = mail_message(entry, record["time_ms"])
        if message is None:
            continue
        told = row({"time": record["time_ms"], "host": "mta1", "entry": dict(entry)}, Source.PLUGIN, now)
        found = row(item_of(message, now), Source.GELF, now)
        assert slots_of(found) == slots_of(told)
        assert len(slots_of(found)) > 0
        differ = {column for column in COLUMNS if getattr(found, column) != getattr(told, column)}
        assert differ <= UNSAID.get(told.action, set()) | {"source", "raw"}, message
        assert {column for column in differ - {"source", "raw"} if getattr(found, column) is not None} == set()
        compared[told.action] += 1
    assert compared == {
        "queued": 532, "delivered": 488, "deferred": 397, "bounced": 162, "refused": 6, "dropped": 6, "deleted": 5,
        "dsn_queued": 256,
    }  # fmt: skip


def test_recorded_messages_of_wildduck_are_no_deliveries() -> None:
    """WildDuck's recorded messages are no deliveries, though some have a `_mail_action`."""
    messages = [line["gelf"] for line in read_lines(FIXTURES / "wildduck-gelf.jsonl")]
    assert len([message for message in messages if "_mail_action" in message]) > 50
    taken = [item for message in messages if (item := item_of(message, NOW)) is not None]
    assert {item["entry"]["action"] for item in taken} == {"AUTH"}


@pytest.mark.parametrize(
    ("said", "action"),
    [
        ("MTA [NOQUEUE] q1", "refused"),
        ("MTA [DROP] q1", "dropped"),
        ("MTA [DELETED] q1", "deleted"),
        ("EU [DELETED] q1", "deleted"),
        ("MTA [x] [DELETED]", "dropped"),
        ("", "dropped"),
        (5, "dropped"),
        (None, "dropped"),
    ],
)
def test_dropped_is_told_apart_by_its_tag(said: object, action: str) -> None:
    """The first tag in brackets decides the action of a `dropped` message; without a known tag it is a drop."""
    assert (
        row(item_of(GOOD | {"_mail_action": "dropped", "short_message": said}, NOW), Source.GELF, NOW).action == action
    )


@pytest.mark.parametrize(("count", "attempt"), [(3, 3), ("3", 3), ("x", None), (-1, None), ("٣", None), (None, None)])
def test_the_attempt_is_the_bounce_count(count: object, attempt: int | None) -> None:
    """The attempt is the bounce count, also if a relay turned it into text."""
    assert row(item_of(GOOD | {"_bounce_count": count}, NOW), Source.GELF, NOW).attempt == attempt


@pytest.mark.parametrize(
    "stamp",
    [
        NOW / 1000,
        f"{NOW / 1000:.3f}",
        NOW,
        str(NOW),
        float(NOW),
        NOW * 1000,
        NOW * 1000 + 999,
        float(NOW * 1000),
        NOW * 10**6 + 1,
    ],
)
def test_a_stamp_is_read_in_the_unit_of_its_magnitude(stamp: object) -> None:
    """A timestamp in s (the specification), ms, us or ns, as number or text, is recognised by its size."""
    assert row(item_of(GOOD | {"timestamp": stamp}, NOW + 5), Source.GELF, NOW + 5).time == NOW


@given(st.integers(10**9, 4 * 10**9), st.sampled_from([1, 1000, 10**6, 10**9]))
def test_every_stamp_of_a_century_is_the_same_second(seconds: int, unit: int) -> None:
    """Every second from 2001 to 2096 is read right in each unit."""
    assert time_of({"timestamp": seconds * unit}, 0) == seconds * 1000


@pytest.mark.parametrize(
    ("fields", "event_id", "slot"),
    [
        ({"_queue_id_seq": 1}, "q1.001:deferred:3", ("q1", "001", "deferred:3")),
        ({"_queue_id_seq": 12.0, "_bounce_count": "3"}, "q1.012:deferred:3", ("q1", "012", "deferred:3")),
        ({"_queue_id": 193500000012345678}, "193500000012345678.001:deferred:3",
            ("193500000012345678", "001", "deferred:3")),
        ({"_queue_id": 10**24}, f"{10**24}.001:deferred:3", (f"{10**24}", "001", "deferred:3")),
    ],
)  # fmt: skip
def test_ids_as_numbers_fill_the_same_slots(fields: dict[str, Any], event_id: str, slot: tuple[str, str, str]) -> None:
    """Ids that a relay turned into numbers fill the same slots as the plugin's events."""
    found = row(item_of(GOOD | fields, NOW), Source.GELF, NOW)
    assert found.event_id == event_id
    assert [tuple(one)[1:] for one in slots_of(found)] == [slot]


@pytest.mark.parametrize("stamp", [None, "now", True, float("nan"), float("inf"), 1e308])
def test_a_message_without_a_time_is_of_its_receipt(stamp: object) -> None:
    """A message without a time gets that of its receipt, because its time is no part of its identity."""
    assert row(item_of(GOOD | {"timestamp": stamp}, NOW), Source.GELF, NOW).time == NOW


@pytest.mark.parametrize(
    "fields",
    [
        {"_queue_id": ""},
        {"_queue_id": [5]},
        {"_queue_id": 5.5},
        {"_mail_action": "auth"},
        {"_mail_action": ["queued"]},
        {"_mail_action": None},
    ],
)
def test_what_names_no_message_is_none(fields: dict[str, Any]) -> None:
    """A message without queue id is ignored, because it cannot be matched with other sources."""
    assert item_of(GOOD | fields, NOW) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([*FIELDS, "_mail_action", "_tls", "_secure", "timestamp", "host", "short_message"])


@given(
    st.dictionaries(names, anything),
    st.sampled_from(["queued", "accepted", "deferred", "bounced", "dropped", "queue_bounce"]),
)
def test_no_message_breaks_it(fields: dict[str, Any], word: str) -> None:
    """Any message is a storable row or a dead letter."""
    item = item_of(GOOD | fields | {"_mail_action": word, "_queue_id": "q1"}, NOW)
    request = take(Body([item], {}, is_clean=False), received_at=NOW, source=Source.GELF, border=Border())
    assert request.count + len(request.rejections) == 1
    for entry in request.entries:
        (made,) = rows_of(entry, request, {})
        assert b"\\u0000" not in msgspec.json.encode(made)  # refuses lone surrogates
