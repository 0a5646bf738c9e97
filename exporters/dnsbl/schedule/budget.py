"""A budget of queries in any minute, exactly: the next may go when the one that many before is a minute old."""

from __future__ import annotations

from collections import deque
from typing import Final

MINUTE: Final = 60.0

TEST_SHARE: Final = 3
"""Queries a minute that only a list's test may use, besides regular checks:
a list under load must still be able to show that it works.
"""


class Budget:
    """`per_minute` None: no bound."""

    def __init__(self, per_minute: int | None) -> None:
        self._sent: deque[float] | None = deque(maxlen=per_minute) if per_minute is not None else None

    @property
    def test_share(self) -> int:
        """What is kept for tests: less of a small budget."""
        return min(TEST_SHARE, (self._sent.maxlen or 0) // 4) if self._sent is not None else 0

    def free_at(self, now: float, kept: int = 0) -> float:
        """When the next query may go, with `kept` more still possible in the same minute: `now`, or later."""
        if self._sent is None:
            return now
        too_many = len(self._sent) + kept - (self._sent.maxlen or 0)
        return now if too_many < 0 else max(now, self._sent[too_many] + MINUTE)

    def has_room(self, now: float, kept: int = 0) -> bool:
        """Return True when a query may go now."""
        return self.free_at(now, kept) <= now

    def take(self, now: float) -> None:
        """Note a query."""
        if self._sent is not None:
            self._sent.append(now)

    def is_in_use(self, now: float) -> bool:
        """Return True when a query of the last minute counts."""
        return self._sent is not None and len(self._sent) > 0 and self._sent[-1] + MINUTE > now

    def inherit(self, other: Budget) -> None:
        """Take over what was sent under another bound: a reload is no new budget."""
        if self._sent is not None and other._sent is not None:
            self._sent.extend(other._sent)
