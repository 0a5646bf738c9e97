"""The gauges of the journal: each scrape reads the state of that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.metrics.catalogue import Metrics


class Held(Protocol):
    """What a journal holds: requests and bytes."""

    @property
    def requests(self) -> int: ...
    @property
    def used_bytes(self) -> int: ...


def show_journal(
    metrics: Metrics, limit_bytes: int, state: Callable[[], Held], oldest_age: Callable[[], float | None]
) -> None:
    """Let a scrape read the journal's state. `oldest_age` is in seconds, None while the journal is empty."""
    metrics.journal_limit_bytes.set(limit_bytes)
    metrics.journal_requests.set_function(lambda: state().requests)
    metrics.journal_bytes.set_function(lambda: state().used_bytes)
    metrics.journal_oldest_age.set_function(lambda: oldest_age() or 0.0)
