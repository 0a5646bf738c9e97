"""A snapshot says which transactions the windows hold already."""

from __future__ import annotations

from collector.live.snapshot import Snapshot


def test_open_and_later_transactions_are_not_seen() -> None:
    """A transaction that was open or had not begun is not seen; every other one is."""
    snapshot = Snapshot.parse("10:15:12,14")
    assert [number for number in range(8, 18) if snapshot.sees(number)] == [8, 9, 10, 11, 13]
    assert [number for number in range(8, 18) if Snapshot.parse("10:10:").sees(number)] == [8, 9]
