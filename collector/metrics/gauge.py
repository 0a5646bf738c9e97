"""prometheus_client's gauge, for one without labels that is not always ours to show, and for points in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import prometheus_client

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric


class PassingGauge(prometheus_client.Gauge):
    """On the page from the first `set` until `clear`, as each labelled sample of another gauge is. Has no labels."""

    _is_shown = False

    def set(self, value: float) -> None:
        """Sets the value, and shows it."""
        super().set(value)
        self._is_shown = True

    def clear(self) -> None:
        """Takes it off the page."""
        self._is_shown = False

    def collect(self) -> Iterable[Metric]:
        """Returns the family, or nothing."""
        return super().collect() if self._is_shown else []


class TimeGauge(prometheus_client.Gauge):
    """A point in time (epoch seconds), never in the future: one that a clock which was ahead has set becomes the time at which it is next
    read. Else `time() - …` would be negative, and no alert on it could fire, until that time comes.
    """

    def _child_samples(self) -> Iterable[Any]:
        now = time.time()
        if self._value.get() > now:
            self._value.set(now)
        return super()._child_samples()
