"""Decides when a dashboard is settled, and when there is no use in waiting any longer."""

from __future__ import annotations

from dataclasses import dataclass, field

QUIET_SECONDS = 1.5
"""A dashboard is settled when for this long no request has been under way and no panel has been loading,
and each panel has sent a query."""

PATIENCE_SECONDS = 15
"""The same when a panel has not sent a query: its queries may be hidden."""

STALL_SECONDS = 90
"""Seconds without progress after which a dashboard that still loads does not settle.

A request that is sent or ends is progress, and so is a panel that stops loading.
A loaded machine takes minutes for a dashboard of many panels, and makes progress all the time.
"""

LONGEST_SECONDS = 1800
"""The end of the wait for a page that goes on asking for ever."""


@dataclass(slots=True)
class Settling:
    """The state of one dashboard's wait. Times are in seconds of a monotonic clock."""

    began: float
    _quiet_since: float = field(init=False)
    _progress_at: float = field(init=False)
    _seen: object = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._quiet_since = self._progress_at = self.began

    def is_over(self, now: float, *, is_loading: bool, all_asked: bool, seen: object) -> bool | None:
        """Return True when the dashboard is settled, False when it will not settle, None while it is worth a wait.

        `seen` is all that progress changes: the counts of requests and of loading panels.
        """
        if seen != self._seen:
            self._seen, self._progress_at = seen, now
        if is_loading:
            self._quiet_since = now
        if now - self._quiet_since > (QUIET_SECONDS if all_asked else PATIENCE_SECONDS):
            return True
        if now - self._progress_at > STALL_SECONDS or now - self.began > LONGEST_SECONDS:
            return False
        return None
