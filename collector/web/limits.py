"""The limits of ingest: events per second of one token, and bytes in flight of all requests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from collector.errors import OverloadedError, RateLimitedError

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_SECONDS: Final = 1
"""Bytes in flight are released after a commit of the journal, so the client may retry soon."""

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
        """Raise RateLimitedError, with the seconds until the debt is paid, if no request may be read now."""
        if self._rate is None:
            return
        now = self._clock()
        self._level = min(self._level + (now - self._seen) * self._rate, float(self._rate))
        self._seen = now
        if self._level <= 0:
            # The level is above 0 only a moment after the debt is paid, so the wait is at least one second.
            wait = min(max(math.ceil(-self._level / self._rate), 1), MAX_RETRY_SECONDS)
            raise RateLimitedError("this token's events per second are used up", retry_after=wait)

    def charge(self, events: int) -> None:
        """Take `events` from the bucket. A negative number gives them back."""
        if self._rate is not None:
            self._level -= events


class Inflight:
    """The bytes of all request bodies in memory. They are counted before they are read."""

    __slots__ = ("_limit", "used")

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self.used = 0

    def lease(self) -> Lease:
        """Return an empty lease. The caller must `release` it in every case."""
        return Lease(self)

    def take(self, size_bytes: int) -> None:
        """Add bytes. Raise OverloadedError, and add nothing, if that exceeds the limit."""
        if self.used + size_bytes > self._limit:
            raise OverloadedError("too many bytes of requests are in flight", retry_after=RETRY_SECONDS)
        self.used += size_bytes


class Lease:
    """One request's share of the bytes in flight."""

    __slots__ = ("_held", "_inflight", "_unproven")

    def __init__(self, inflight: Inflight) -> None:
        self._inflight = inflight
        self._unproven: Inflight | None = None
        self._held = 0

    def grow(self, size_bytes: int) -> None:
        """Add bytes to the lease. Raise OverloadedError, and add nothing, if that exceeds a limit."""
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
        """Count the lease's bytes in `unproven` as well, until `trust`. The lease must be empty."""
        self._unproven = unproven

    def trust(self) -> None:
        """Stop counting the bytes as unproven: the sender is known."""
        if self._unproven is not None:
            self._unproven.used -= self._held
            self._unproven = None

    def release(self) -> None:
        """Give all bytes back. A second call does nothing."""
        self.trust()
        self._inflight.used -= self._held
        self._held = 0
