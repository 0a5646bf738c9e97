"""A snapshot of the database: which transactions the windows hold already. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Snapshot(NamedTuple):
    """PostgreSQL's `pg_snapshot`: transactions below `low` were over, and those from `high` on had not begun."""

    low: int
    high: int
    open: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Return the snapshot of `low:high:open,open,…`."""
        low, high, still_open = text.split(":")
        return cls(int(low), int(high), frozenset(map(int, still_open.split(","))) if still_open else frozenset())

    def sees(self, transaction: int) -> bool:
        """Return whether this transaction, which was committed, was committed before the snapshot was taken."""
        return transaction < self.low or (transaction < self.high and transaction not in self.open)
