"""The gauges of the journal. Each scrape reads its current state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.metrics.catalogue import Metrics


class JournalCounts(Protocol):
    """The state of a journal: the number of submissions, and their bytes."""

    @property
    def requests(self) -> int: ...
    @property
    def used_bytes(self) -> int: ...


def show_journal(
    metrics: Metrics, limit_bytes: int, state: Callable[[], JournalCounts], oldest_age: Callable[[], float | None]
) -> None:
    """Connect the gauges to the journal's state. `oldest_age` is seconds, or None while the journal is empty."""
    metrics.journal_limit_bytes.set(limit_bytes)
    metrics.journal_requests.set_function(lambda: state().requests)
    metrics.journal_bytes.set_function(lambda: state().used_bytes)
    metrics.journal_oldest_age.set_function(lambda: oldest_age() or 0.0)
