"""A budget of queries in any minute, exactly: the next may go when the one that many before is a minute old."""

from __future__ import annotations

from collections import deque
from typing import Final

MINUTE: Final = 60.0


class Budget:
    """`per_minute` None: no bound."""

    def __init__(self, per_minute: int | None) -> None:
        self._sent: deque[float] | None = deque(maxlen=per_minute) if per_minute is not None else None

    def free_at(self, now: float) -> float:
        """When the next query may go: `now`, or later."""
        if self._sent is None or len(self._sent) < (self._sent.maxlen or 0):
            return now
        return max(now, self._sent[0] + MINUTE)

    def has_room(self, now: float) -> bool:
        """True when a query may go now."""
        return self.free_at(now) <= now

    def take(self, now: float) -> None:
        """Notes a query."""
        if self._sent is not None:
            self._sent.append(now)

    def inherit(self, other: Budget) -> None:
        """Takes over what was sent under another bound: a reload is no new budget."""
        if self._sent is not None and other._sent is not None:
            self._sent.extend(other._sent)
