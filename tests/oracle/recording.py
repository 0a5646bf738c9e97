"""The recording of a real ZoneMTA 3.11, and the rows of it that a person has reviewed column by column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.oracle.stamps import Record

FIXTURES = Path(__file__).parent.parent / "fixtures"


def read_recording() -> list[Record]:
    """Return all 2,424 records, `{time_ms, pid, context, entry}`, in the order in which the hooks ran."""
    return read_lines(FIXTURES / "zonemta-log-entries.jsonl")


def read_reviewed_rows() -> list[dict[str, Any]]:
    """Return the reviewed rows as `{line, record, row}`.

    `line` is the record's line in the recording, and `row` its row for the cluster `default` and the host `mta1`.
    """
    return read_lines(FIXTURES / "expected-rows.jsonl")


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
