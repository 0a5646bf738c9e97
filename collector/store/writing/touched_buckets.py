"""Which buckets of the roll-ups a batch writes into. Pure; it runs for each batch, so it looks at no event that it need not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from collector.events.model.batch import Batch

STEP_SECONDS: Final = 15
"""The finest width: every other is a whole multiple of it."""

_STEP_MS: Final = STEP_SECONDS * 1000
_NEARBY: Final = 8
"""So many buckets in a row are noted without asking which of them hold events: to build one in vain is cheap."""


def touched(batch: Batch) -> list[int]:
    """Returns the starts (epoch seconds) of the 15-second buckets that hold the batch's events, and perhaps a few between them."""
    buckets: set[int] = set()
    for stamps in _stamps(batch):
        first, last = min(stamps) // _STEP_MS, max(stamps) // _STEP_MS
        if last - first < _NEARBY:
            buckets.update(range(first, last + 1))
        else:
            buckets.update([stamp // _STEP_MS for stamp in stamps])
    return [bucket * STEP_SECONDS for bucket in buckets]


def _stamps(batch: Batch) -> Iterable[Sequence[int]]:
    """The events' times (epoch ms) in groups, none empty."""
    if batch.tally is not None:
        return batch.tally.stamps.values()
    return [[event.time for event in batch.events]] if batch.events else []
