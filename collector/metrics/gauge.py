"""prometheus_client's gauge, for one without labels that is not always ours to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import prometheus_client

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric


class PassingGauge(prometheus_client.Gauge):
    """On the page from the first `set` until `clear`, as each labelled sample of another gauge is. Has no labels."""

    _is_shown = False

    def set(self, value: float) -> None:
        """Set the value, and show it."""
        super().set(value)
        self._is_shown = True

    def clear(self) -> None:
        """Take it off the page."""
        self._is_shown = False

    def collect(self) -> Iterable[Metric]:
        """Return the family, or nothing."""
        return super().collect() if self._is_shown else []
