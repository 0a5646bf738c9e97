"""prometheus_client's gauge for points in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import prometheus_client

if TYPE_CHECKING:
    from collections.abc import Iterable


class TimeGauge(prometheus_client.Gauge):
    """A point in time (epoch seconds) that is never in the future.

    A value set while the clock was ahead becomes the present time at the next scrape. Else `time() - …` would be
    negative and its alert could not fire until the clock reaches that time.
    """

    def _child_samples(self) -> Iterable[Any]:
        now = time.time()
        if self._value.get() > now:
            self._value.set(now)
        return super()._child_samples()
