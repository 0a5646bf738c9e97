"""What health, metrics and the log say of the journal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JournalState:
    """What health and metrics show: requests and bytes held, the quota, when the oldest came (epoch ms),
    whether the disk fails, whether the quota has turned a request away since anything was removed,
    and whether a call to the disk does not end.
    """

    requests: int
    used_bytes: int
    limit_bytes: int
    oldest_received_at: int | None
    is_failing: bool
    is_refusing: bool
    is_stuck: bool

    @property
    def trouble(self) -> str | None:
        """Why the next request would not be taken: `stuck`, `failing` or `full`; None when it would."""
        if self.is_stuck:
            return "stuck"
        if self.is_failing:
            return "failing"
        return "full" if self.is_refusing or self.used_bytes >= self.limit_bytes else None
