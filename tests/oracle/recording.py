"""The recording of a real ZoneMTA 3.11, and the rows of it that were written out whole and reviewed by eye."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.oracle.stamps import Record

FIXTURES = Path(__file__).parent.parent / "fixtures"


def read_recording() -> list[Record]:
    """All 2,424 records, `{time_ms, pid, context, entry}`, in the order in which the hooks ran."""
    return read_lines(FIXTURES / "zonemta-log-entries.jsonl")


def read_reviewed_rows() -> list[dict[str, Any]]:
    """`{line, record, row}` each: the record's line in the recording,
    and its row for cluster `default` and host `mta1`.
    """
    return read_lines(FIXTURES / "expected-rows.jsonl")


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
