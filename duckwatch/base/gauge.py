"""prometheus_client's gauge for points in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import prometheus_client

if TYPE_CHECKING:
    from collections.abc import Iterable


class TimeGauge(prometheus_client.Gauge):
    """A point in time (epoch seconds), never in the future:
    one that a clock which was ahead has set becomes the time at which it is next read.
    Else `time() - …` would be negative, and no alert on it could fire, until that time comes.
    """

    def _child_samples(self) -> Iterable[Any]:
        now = time.time()
        if self._value.get() > now:
            self._value.set(now)
        return super()._child_samples()
