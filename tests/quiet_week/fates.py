"""What becomes of the made-up house's mail: as usual, and while a provider refuses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Fates:
    """What becomes of a hundred recipients: deferred at first, and bounced for good, blocked or given up."""

    deferred: float = 6.0
    hard: float = 0.8
    blocked: float = 0.15
    expired: float = 0.1

    @property
    def later(self) -> float:
        """Those that are delivered at a later attempt: while nearly all are refused, as few as at the first."""
        return (self.deferred - self.expired) * (1 - self.blocked / 100)

    @property
    def delivered(self) -> float:
        return 100 - self.deferred - self.hard - self.blocked + self.later


USUAL: Final = Fates()


@dataclass(frozen=True, slots=True)
class Incident:
    """A provider refuses a mail cluster from one minute to another."""

    cluster: str
    provider: str
    begins: int
    ends: int
    fates: Fates = field(default_factory=lambda: Fates(deferred=20, blocked=75))
