"""A circuit breaker: after failures in a row a list is not asked for a while, then asked once to see if it works."""

from __future__ import annotations

from typing import Final

FAILURES_TO_OPEN: Final = 10
FIRST_PAUSE: Final = 60.0
LONGEST_PAUSE: Final = 600.0


class Breaker:
    """The breaker of one list.

    Closed: every check may ask. Open: no check may ask until the pause is over. Half-open: one check may ask; its
    success closes the breaker, its failure opens it for twice as long.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._open_until: float | None = None
        self._pause = FIRST_PAUSE
        self._is_tried = False

    @property
    def is_open(self) -> bool:
        """True from the failure that opens the breaker to the next success."""
        return self._open_until is not None

    def allows(self, now: float) -> bool:
        """Return True when a check may ask now."""
        return self._open_until is None or (now >= self._open_until and not self._is_tried)

    def begin(self) -> None:
        """Note that a check begins."""
        self._is_tried = self.is_open

    def end(self, now: float, *, failed: bool | None) -> None:
        """Note a check's result. `failed` is None when the check says nothing about the list."""
        was_open, self._is_tried = self.is_open, False
        if failed is None:
            return
        if not failed:
            self._failures, self._open_until, self._pause = 0, None, FIRST_PAUSE
            return
        self._failures += 1
        if was_open and now >= (self._open_until or 0):
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._open_until = now + self._pause
        elif not was_open and self._failures >= FAILURES_TO_OPEN:
            self._open_until = now + self._pause
