"""Moves a recording to another time: its times, the times in its queue ids, and the next attempts, all by the same
number of milliseconds.
"""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]


def shifted_id(queue_id: str, shift_ms: int) -> str:
    """Return a queue id of a time `shift_ms` later. An id has 11 hex digits of epoch ms, then 7 that stay."""
    if len(queue_id) != 18:
        raise ValueError(f"not a queue id of ZoneMTA 3.11: {queue_id!r}")
    return format(int(queue_id[:11], 16) + shift_ms, "011x") + queue_id[11:]


def shift_record(record: Record, shift_ms: int) -> Record:
    """Return a copy of a record, `shift_ms` later."""
    entry = dict(record["entry"])
    for key in ("id", "bounceId"):
        if key in entry:
            entry[key] = shifted_id(entry[key], shift_ms)
    if "nextattempt" in entry:
        entry["nextattempt"] += shift_ms
    if shift_ms and "created" in entry:
        entry["created"] += shift_ms
    return record | {"time_ms": record["time_ms"] + shift_ms, "entry": entry}


def shift_to(records: list[Record], to_now: int) -> int:
    """Return the shift (ms) that moves the newest time of the recording to `to_now` (epoch ms)."""
    return to_now - max(int(record["time_ms"]) for record in records)


def shift(records: list[Record], to_now: int) -> list[Record]:
    """Return the recording, moved so that its newest time is `to_now` (epoch ms)."""
    distance = shift_to(records, to_now)
    return [shift_record(record, distance) for record in records]
