"""A limit on queries in any span of 60 seconds, held exactly.

With a limit of N, a query may be sent when the Nth query before it is a minute old.
"""

from __future__ import annotations

from collections import deque
from typing import Final

MINUTE: Final = 60.0

TEST_SHARE: Final = 3
"""Queries a minute that regular checks leave for a list's test, so that a list under load can still be tested."""


class Budget:
    """The queries sent in the last minute. `per_minute` None means no limit."""

    def __init__(self, per_minute: int | None) -> None:
        self._sent: deque[float] | None = deque(maxlen=per_minute) if per_minute is not None else None

    @property
    def test_share(self) -> int:
        """Queries a minute kept for tests: TEST_SHARE, or a quarter of a small budget."""
        return min(TEST_SHARE, (self._sent.maxlen or 0) // 4) if self._sent is not None else 0

    def free_at(self, now: float, kept: int = 0) -> float:
        """Return the time at which a query may be sent that leaves room for `kept` more in the same minute."""
        if self._sent is None:
            return now
        too_many = len(self._sent) + kept - (self._sent.maxlen or 0)
        return now if too_many < 0 else max(now, self._sent[too_many] + MINUTE)

    def has_room(self, now: float, kept: int = 0) -> bool:
        """Return True when a query may be sent now."""
        return self.free_at(now, kept) <= now

    def take(self, now: float) -> None:
        """Note a query that is sent."""
        if self._sent is not None:
            self._sent.append(now)

    def is_in_use(self, now: float) -> bool:
        """Return True when a query was sent within the last minute."""
        return self._sent is not None and len(self._sent) > 0 and self._sent[-1] + MINUTE > now

    def inherit(self, other: Budget) -> None:
        """Take over the queries sent under another limit, so that a reload does not give a new budget."""
        if self._sent is not None and other._sent is not None:
            self._sent.extend(other._sent)
