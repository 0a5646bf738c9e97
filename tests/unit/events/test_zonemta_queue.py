"""ZoneMTA's queue in change streams: the recording, and any other change that MongoDB can send."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import Int64, json_util
from hypothesis import example, given
from hypothesis import strategies as st

from collector.events.sources.zonemta_queue import QueueChanges, QueueEntry, QueueLedger, entries_named_by
from tests.oracle.recording import read_recording

CHANGES = Path(__file__).parents[2] / "fixtures" / "zonemta-changes.jsonl.gz"
QUEUE = "zone-queue"


@pytest.fixture(scope="module")
def changes() -> list[dict[str, Any]]:
    """Return the changes of the run whose log entries are the other recording."""
    options = json_util.JSONOptions(tz_aware=True)
    with gzip.open(CHANGES, "rt", encoding="utf-8") as lines:
        return [json_util.loads(line, json_options=options) for line in lines]


def told(changes: list[dict[str, Any]]) -> QueueChanges:
    """Return the entries of all changes."""
    ledger = QueueLedger({})
    for change in changes:
        ledger.apply(change, QUEUE)
    return ledger.changes


def of(items: list[dict[str, Any]], action: str, *names: str) -> set[tuple[Any, ...]]:
    """Return some fields of the entries with an action."""
    entries = [item["entry"] for item in items]
    return {tuple(entry.get(name) for name in names) for entry in entries if entry["action"] == action}


def test_the_recording_tells_what_the_log_told(changes: list[dict[str, Any]]) -> None:
    """The recorded changes give every message, deferral (with its reply) and end of the log entries."""
    found, log = told(changes), read_recording()
    assert of(log, "QUEUED", "id") <= {(queue_id,) for queue_id in found.messages}
    assert of(log, "DEFERRED", "id", "seq", "defcount", "response") == of(
        found.items, "DEFERRED", "id", "seq", "defcount", "response"
    )
    ends = {end for action in ("ACCEPTED", "REJECTED") for end in of(log, action, "id", "seq")}
    assert ends <= of(found.items, "RELEASED", "id", "seq")
    assert found.unknown == 0
    assert set(found.entries.values()) == {None}


def test_it_is_the_same_however_the_changes_are_cut(changes: list[dict[str, Any]]) -> None:
    """The result is the same for the changes in small batches, each with the state after the one before."""
    known: dict[str, QueueEntry] = {}
    items: list[dict[str, Any]] = []
    recipients: dict[str, int] = {}
    for start in range(0, len(changes), 7):
        some = changes[start : start + 7]
        ledger = QueueLedger({key: known[key] for key in entries_named_by(some, QUEUE) if key in known})
        for change in some:
            ledger.apply(change, QUEUE)
        items += ledger.changes.items
        for queue_id, (_, count, _) in ledger.changes.messages.items():
            recipients[queue_id] = recipients.get(queue_id, 0) + count
        for key, entry in ledger.changes.entries.items():
            if entry is None:
                known.pop(key, None)
            else:
                known[key] = entry
    whole = told(changes)
    assert items == whole.items
    assert recipients == {queue_id: count for queue_id, (_, count, _) in whole.messages.items()}


def test_ids_as_numbers_are_the_texts_that_zonemta_writes() -> None:
    """Ids that a tool has turned into numbers (Int64) become ZoneMTA's texts again."""
    document = {"_id": 1, "id": Int64(193500000012345678), "seq": 7, "recipient": "a@b.example"}
    found = told(
        [{"operationType": "insert", "ns": {"coll": QUEUE}, "fullDocument": document, "documentKey": {"_id": 1}}]
    )
    (entry,) = found.entries.values()
    assert entry is not None
    assert (entry.queue_id, entry.seq) == ("193500000012345678", "007")


def test_headers_are_never_told(changes: list[dict[str, Any]]) -> None:
    """A message's headers are never kept, only a fixed list of fields without the subject."""
    for about, _, _ in told(changes).messages.values():
        assert about.keys() <= {
            "from", "message-id", "src", "user", "body", "interface", "originhost", "transhost", "transtype",
        }  # fmt: skip


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["id", "seq", "_id", "count", "last", "response", "metadata.data", "_deferred",
            "_deferred.count", "from", "recipient", "created"]),
        inner,
        max_size=4,
    ),
    max_leaves=6,
)  # fmt: skip
documents = st.dictionaries(
    st.sampled_from(["fullDocument", "documentKey", "updateDescription", "wallTime", "clusterTime"]), values
)


@given(
    st.lists(st.tuples(documents, st.sampled_from(["insert", "update", "delete", "replace", "drop"]), st.booleans()))
)
@example([({"clusterTime": datetime(2000, 1, 1, tzinfo=UTC)}, "insert", True)])  # has a `time` too, which is a method
def test_no_change_is_too_strange(drawn: list[tuple[dict[str, Any], str, bool]]) -> None:
    """Any change, with fields of other types or none, is read or ignored."""
    given_changes = [
        document | {"operationType": kind, "ns": {"coll": QUEUE if is_queue else "mail.files"}}
        for document, kind, is_queue in drawn
    ]
    found = told(given_changes)
    for item in json.loads(json.dumps(found.items, default=str)):
        assert item["entry"]["id"]
