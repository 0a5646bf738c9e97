"""A gauge without labels that is hidden while there is nothing to show, or while another collector shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import prometheus_client

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric


class PassingGauge(prometheus_client.Gauge):
    """A gauge that is on the page from the first `set` until `clear`. It has no labels."""

    _is_shown = False

    def set(self, value: float) -> None:
        """Set the value, and show it."""
        super().set(value)
        self._is_shown = True

    def clear(self) -> None:
        """Take it off the page."""
        self._is_shown = False

    def collect(self) -> Iterable[Metric]:
        """Return the metric, or nothing while it is hidden."""
        return super().collect() if self._is_shown else []
