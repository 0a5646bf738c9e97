"""prometheus_client's histogram with a method for many values at once, because a batch holds thousands."""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import TYPE_CHECKING

import prometheus_client
from prometheus_client.samples import Exemplar

if TYPE_CHECKING:
    from collections.abc import Iterable


class Histogram(prometheus_client.Histogram):
    """A histogram whose `observe_many` equals `observe` for each value (a test holds it to that), but is faster."""

    def observe_many(self, values: Iterable[float], exemplar: dict[str, str] | None = None) -> None:
        """Observe every value. `exemplar` names the trace of the values; each bucket shows it with one of them."""
        ordered = sorted(values)
        self._sum.inc(sum(ordered))
        below = 0
        for bound, bucket in zip(self._upper_bounds, self._buckets, strict=True):
            # A bucket holds the values up to its bound that no earlier bucket holds.
            upto = bisect_right(ordered, bound, below)
            if upto > below:
                bucket.inc(upto - below)
                if exemplar:
                    bucket.set_exemplar(Exemplar(exemplar, ordered[upto - 1], time.time()))
            below = upto
