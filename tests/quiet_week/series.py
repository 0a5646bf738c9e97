"""Series of one-minute samples, as promtool's test files write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Samples = list["float | None"]
"""One value a minute; None where the scrape failed."""

PARTS = 1024
"""A counter grows by whole parts of 1, which a float holds exactly.

promtool adds up the steps of a term: a rounding error above the next sample would be a reset of the counter.
"""


@dataclass(frozen=True, slots=True)
class Life:
    """The life of one program: the minutes at which it starts anew, and those in which it is not scraped."""

    minutes: int
    starts: frozenset[int] = field(default_factory=frozenset)
    unseen: frozenset[int] = field(default_factory=frozenset)

    def gauge(self, value: Callable[[int], float]) -> Samples:
        """Return the samples of a gauge."""
        return [None if minute in self.unseen else value(minute) for minute in range(self.minutes)]

    def counter(self, per_minute: Callable[[int], float]) -> Samples:
        """Return the samples of a counter that grows by `per_minute`, and begins at 0 when the program starts anew."""
        total, samples = 0.0, Samples()
        for minute in range(self.minutes):
            total = 0.0 if minute in self.starts else total + round(per_minute(minute) * PARTS) / PARTS
            samples.append(None if minute in self.unseen else total)
        return samples


def written(samples: Sequence[float | None]) -> str:
    """Return the samples in promtool's notation; equal steps are one term."""
    terms, at = [], 0
    steps: list[float | None] = [
        None if before is None or after is None else after - before for before, after in pairwise(samples)
    ]
    while at < len(samples):
        value = samples[at]
        if value is None:
            length = next((n for n, sample in enumerate(samples[at:]) if sample is not None), len(samples) - at)
            terms.append("_" if length == 1 else f"_x{length}")
            at += length
            continue
        step = steps[at] if at < len(steps) else None
        if step is None:
            terms.append(_number(value))
            at += 1
            continue
        repeats = sum(1 for _ in next(groupby(steps[at:], key=lambda one: one == step))[1])
        terms.append(f"{_number(value)}{'+' if step >= 0 else '-'}{_number(abs(step))}x{repeats}")
        at += repeats + 1
    return " ".join(terms)


def _number(value: float) -> str:
    return f"{value:.10f}".rstrip("0").rstrip(".")
