"""The state of the journal, for health, metrics and the log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JournalState:
    """The state of the journal. `requests` is the number of submissions; `oldest_received_at` is epoch ms.

    `is_failing` is True while the disk refuses. `is_refusing` is True if the quota has refused a submission since the
    last removal. `is_stuck` is True while a call to the disk does not return.
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
        """Why the next `append` would fail: `stuck`, `failing` or `full`; None if it would not."""
        if self.is_stuck:
            return "stuck"
        if self.is_failing:
            return "failing"
        return "full" if self.is_refusing or self.used_bytes >= self.limit_bytes else None
