"""How much may come in: events per second of a token, and bytes in flight of all requests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from collector.errors import OverloadedError, RateLimitedError

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_SECONDS: Final = 1
"""Bytes in flight fall within a commit of the journal: come back soon."""

MAX_RETRY_SECONDS: Final = 60


class EventRate:
    """A token bucket that lends: a batch larger than the rate passes once, and the next waits until the debt is paid.

    `rate` is events per second, None for no limit; `clock` gives monotonic seconds.
    """

    __slots__ = ("_clock", "_level", "_rate", "_seen")

    def __init__(self, rate: int | None, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._level = float(rate or 0)
        self._seen = clock()

    def admit(self) -> None:
        """Return when a request may be read. Raise RateLimitedError with the seconds until the debt is paid."""
        if self._rate is None:
            return
        now = self._clock()
        self._level = min(self._level + (now - self._seen) * self._rate, float(self._rate))
        self._seen = now
        if self._level <= 0:
            # Strictly positive again a moment after the debt is paid, hence the floor of one second.
            wait = min(max(math.ceil(-self._level / self._rate), 1), MAX_RETRY_SECONDS)
            raise RateLimitedError("this token's events per second are used up", retry_after=wait)

    def charge(self, events: int) -> None:
        """Take `events` from the bucket; call with a negative number to give them back."""
        if self._rate is not None:
            self._level -= events


class Inflight:
    """The bytes of request bodies that are held in memory, counted before they are read."""

    __slots__ = ("_limit", "used")

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self.used = 0

    def lease(self) -> Lease:
        """Return a share of nothing yet; `release` it whatever happens."""
        return Lease(self)

    def take(self, size_bytes: int) -> None:
        """Count bytes in. Raise OverloadedError, and count nothing, when they are too many."""
        if self.used + size_bytes > self._limit:
            raise OverloadedError("too many bytes in flight", retry_after=RETRY_SECONDS)
        self.used += size_bytes


class Lease:
    """One request's share of the bytes in flight."""

    __slots__ = ("_held", "_inflight", "_unproven")

    def __init__(self, inflight: Inflight) -> None:
        self._inflight = inflight
        self._unproven: Inflight | None = None
        self._held = 0

    def grow(self, size_bytes: int) -> None:
        """Raise OverloadedError when the share cannot grow by so much."""
        if self._unproven is not None:
            self._unproven.take(size_bytes)
        try:
            self._inflight.take(size_bytes)
        except OverloadedError:
            if self._unproven is not None:
                self._unproven.used -= size_bytes
            raise
        self._held += size_bytes

    def doubt(self, unproven: Inflight) -> None:
        """From now until `trust`, what is held counts there as well; for a lease that holds nothing yet."""
        self._unproven = unproven

    def trust(self) -> None:
        """Count the bytes as those of a known sender."""
        if self._unproven is not None:
            self._unproven.used -= self._held
            self._unproven = None

    def release(self) -> None:
        """Give everything back; a second call does nothing."""
        self.trust()
        self._inflight.used -= self._held
        self._held = 0
