"""The oracle itself, compared with reviewed rows and with counts that were made without it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from collector.events.model.event import COLUMNS, Action, BounceKind, Provider, Reason
from tests.oracle.recording import read_recording, read_reviewed_rows
from tests.oracle.replies import REPLIES, UnknownReplyError, reviewed_reply
from tests.oracle.rows import UnknownShapeError, expected_row
from tests.oracle.shapes import SHAPES, shape_name
from tests.oracle.stamps import Record, shift, shift_record, shift_to

NOW = 1_800_000_000_000
REVIEWED = read_reviewed_rows()


@pytest.fixture(scope="module")
def recording() -> list[Record]:
    return read_recording()


@pytest.fixture(scope="module")
def rows(recording: list[Record]) -> list[dict[str, Any]]:
    return [expected_row(record, cluster="default", host="mta1", received_at=NOW) for record in recording]


@pytest.mark.parametrize("reviewed", REVIEWED, ids=[f"line {item['line']}" for item in REVIEWED])
def test_oracle_agrees_with_reviewed_rows(recording: list[Record], reviewed: dict[str, Any]) -> None:
    """The oracle gives each reviewed row, of a record that is in the recording."""
    record = recording[reviewed["line"] - 1]
    assert record == reviewed["record"]
    row = expected_row(record, cluster="default", host="mta1", received_at=reviewed["row"]["received_at"])
    assert row == reviewed["row"]


def test_reviewed_rows_cover_every_shape_and_every_recorded_reply(recording: list[Record]) -> None:
    """Every shape of an entry and every recorded reply has a reviewed row."""
    assert {shape_name(item["record"]["entry"]) for item in REVIEWED} == set(SHAPES)

    def kinds(records: list[Record]) -> set[tuple[str, str]]:
        entries = [record["entry"] for record in records]
        return {
            (entry["action"], reviewed_reply(entry["response"]).pattern) for entry in entries if "response" in entry
        }

    assert kinds([item["record"] for item in REVIEWED]) == kinds(recording)


def test_reviewed_rows_are_whole() -> None:
    """A reviewed row names every column of the table, in its order."""
    assert {tuple(item["row"]) for item in REVIEWED} == {COLUMNS}


def test_rows_stay_in_the_closed_sets(rows: list[dict[str, Any]]) -> None:
    """Actions, reasons, bounce kinds and providers are members of the model's sets."""
    assert {row["action"] for row in rows} <= set(Action)
    assert {row["reason"] for row in rows} <= {None, *Reason}
    assert {row["bounce_kind"] for row in rows} <= {None, *BounceKind}
    assert {row["provider"] for row in rows} <= {None, *Provider}


def test_recording_has_one_key_for_each_entry(rows: list[dict[str, Any]]) -> None:
    """2,424 entries make 2,424 keys."""
    assert len({(row["cluster"], row["event_id"], row["time"]) for row in rows}) == 2424
    assert len(rows) == 2424


def test_counts_are_those_of_the_recorder(rows: list[dict[str, Any]]) -> None:
    """The rows give the counts that were made in the recording without the oracle."""
    assert Counter(row["action"] for row in rows) == {
        "queued": 532,
        "delivered": 488,
        "deferred": 397,
        "virus_checked": 286,
        "spam_checked": 286,
        "dsn_queued": 256,
        "bounced": 162,
        "dropped": 6,
        "refused": 6,
        "deleted": 5,
    }
    assert sum(row["recipients"] for row in rows if row["action"] == "queued") == 657
    assert sum(1 for row in rows if row["action"] == "delivered" and row["direction"] == "dsn") == 256
    assert sum(1 for row in rows if row["auth_user"]) == 49


def test_shift_moves_every_time_by_one_distance(recording: list[Record]) -> None:
    """A shift moves every time by the same distance, so ages, waits and links stay."""
    distance = shift_to(recording, NOW)
    moved = shift(recording, NOW)
    assert max(record["time_ms"] for record in moved) == NOW
    old_bounces = {record["entry"].get("bounceId") for record in recording} - {None}
    new_bounces = {record["entry"].get("bounceId") for record in moved} - {None}
    assert len(new_bounces & {record["entry"]["id"] for record in moved}) == len(old_bounces) == 256
    for before, after in zip(recording, moved, strict=True):
        old = expected_row(before, cluster="c", host=None, received_at=None)
        new = expected_row(before, shift_ms=distance, cluster="c", host=None, received_at=None)
        assert new == expected_row(after, cluster="c", host=None, received_at=None)
        assert new["queue_ms"] == old["queue_ms"]
        assert new["time"] - old["time"] == distance
        if old["next_attempt"] is not None:
            assert new["next_attempt"] - old["next_attempt"] == distance


def test_shift_leaves_the_recording_alone(recording: list[Record]) -> None:
    """A shift copies the record."""
    first = recording[0]["entry"]["id"]
    assert shift_record(recording[0], 1)["entry"]["id"] != first
    assert recording[0]["entry"]["id"] == first


def test_each_reply_is_reviewed_once(recording: list[Record]) -> None:
    """No reply of the recording matches two rows of the table."""
    for record in recording:
        if "response" in record["entry"]:
            reviewed_reply(record["entry"]["response"])


def test_patterns_hold_no_variable_digits() -> None:
    """After the codes at its head a pattern has no digit."""
    for reply in REPLIES.values():
        words = reply.pattern.split(" ")
        head = [str(reply.smtp_code), str(reply.enhanced_code), "404"]  # 404 is HTTP's status
        while words and words[0] in head:
            words.pop(0)
        assert not any(character.isdigit() for character in " ".join(words)), reply.pattern


@pytest.mark.parametrize("text", ["550 5.7.1 Something new", "250 2.0.0 Ok: queued as short", ""])
def test_unreviewed_reply_raises(text: str) -> None:
    """A reply that nobody reviewed is an error, not a guess."""
    with pytest.raises(UnknownReplyError):
        reviewed_reply(text)


def test_unreviewed_field_raises(recording: list[Record]) -> None:
    """A field that nobody reviewed is an error, not left out."""
    record = recording[0] | {"entry": recording[0]["entry"] | {"surprise": 1}}
    with pytest.raises(UnknownShapeError, match="surprise"):
        expected_row(record, cluster="default", host=None, received_at=None)
