"""A journal stays readable across versions."""

from __future__ import annotations

from typing import Any

import msgspec

from collector.events.model.batch import JournalEntry, Position
from collector.events.model.event import Source
from collector.journal.codec import decode_entry, encode_submission
from tests.unit.test_journal import request


class FirstVersionRequest(msgspec.Struct, frozen=True, array_like=True):
    """A request in the form of the program's first version."""

    request_id: str
    received_at: int
    source: Source
    groups: list[Any]
    rejections: list[Any]
    report: Any = None


def test_old_and_new_versions_read_each_others_rows() -> None:
    """Old and new versions read each other's entries, and ignore fields that they do not know."""
    old = FirstVersionRequest("r1", 1001, Source.PLUGIN, [["c", None, None, ["pad"], [[0, 1, None, "x"]]]], [])
    assert decode_entry(JournalEntry(Position(1), 1001, msgspec.msgpack.encode(old))) == request(1, 1)
    new = msgspec.structs.replace(request(1, 1), trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    assert decode_entry(JournalEntry(Position(1), 1001, encode_submission(new))) == new
    read = msgspec.msgpack.decode(encode_submission(new), type=FirstVersionRequest)
    assert (read.request_id, read.groups[0][-1], read.report) == ("r1", [[0, 1, None, "x"]], None)
