"""The buckets of the roll-ups that a batch writes into.

Pure. This runs for each batch, so it reads as few events as possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from collector.events.model.batch import Batch

STEP_SECONDS: Final = 15
"""The finest width; every other width is a multiple of it."""

_STEP_MS: Final = STEP_SECONDS * 1000
_NEARBY: Final = 8
"""Up to this many consecutive buckets are marked without a look at which hold events: building one in vain is cheap."""


def touched(batch: Batch) -> list[int]:
    """Return the starts (epoch seconds) of the 15-second buckets that hold the batch's events, and perhaps a few
    between.
    """
    buckets: set[int] = set()
    for stamps in _stamps(batch):
        first, last = min(stamps) // _STEP_MS, max(stamps) // _STEP_MS
        if last - first < _NEARBY:
            buckets.update(range(first, last + 1))
        else:
            buckets.update([stamp // _STEP_MS for stamp in stamps])
    return [bucket * STEP_SECONDS for bucket in buckets]


def _stamps(batch: Batch) -> Iterable[Sequence[int]]:
    """Return the events' times (epoch ms) in groups, none of them empty."""
    if batch.tally is not None:
        return batch.tally.stamps.values()
    return [[event.time for event in batch.events]] if batch.events else []
