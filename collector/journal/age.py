"""How long the oldest request has been in the journal, also when its receipt was stamped by a clock that was ahead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class _Watched(NamedTuple):
    """A receipt (epoch ms), and since when it has been seen to be the oldest (monotonic seconds)."""

    received_at: int
    since: float


class OldestAge:
    """Seconds since the oldest request came, None while the journal is empty.
    By the wall clock, but never less than this process has seen that request wait:
    a receipt in the future would hide the wait until that time comes.

    Any thread may call it. `now` is in epoch seconds, `clock` in monotonic seconds.
    """

    def __init__(
        self,
        oldest: Callable[[], int | None],
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._oldest, self._now, self._clock = oldest, now, clock
        self._watched: _Watched | None = None

    def __call__(self) -> float | None:
        """Return the age of this moment."""
        oldest, watched = self._oldest(), self._watched
        if oldest is None:
            self._watched = None
            return None
        if watched is None or watched.received_at != oldest:
            watched = self._watched = _Watched(oldest, self._clock())
        return max(self._now() - oldest / 1000, self._clock() - watched.since)
