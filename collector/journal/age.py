"""The age of the oldest submission in the journal. It is right even if the clock was ahead at the time of receipt."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class _OldestReceipt(NamedTuple):
    """A receipt (epoch ms), and when it was first seen as the oldest (monotonic seconds)."""

    received_at: int
    since: float


class OldestAge:
    """Seconds since the receipt of the oldest submission, or None while the journal is empty.

    The age is by the wall clock, but at least as long as this process has seen the submission wait. Otherwise a receipt
    in the future would hide the wait. Any thread may call it. `now` is epoch seconds, `clock` monotonic seconds.
    """

    def __init__(
        self,
        oldest: Callable[[], int | None],
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._oldest, self._now, self._clock = oldest, now, clock
        self._watched: _OldestReceipt | None = None

    def __call__(self) -> float | None:
        """Return the age now."""
        oldest, watched = self._oldest(), self._watched
        if oldest is None:
            self._watched = None
            return None
        if watched is None or watched.received_at != oldest:
            watched = self._watched = _OldestReceipt(oldest, self._clock())
        return max(self._now() - oldest / 1000, self._clock() - watched.since)
