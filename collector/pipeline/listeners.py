"""Listeners of a commit: the one place that keeps their faults from the thread that commits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)

T = TypeVar("T")


def tell(listeners: Iterable[Callable[[T], object]], written: T) -> None:
    """Call each listener with what was committed. Raise nothing: log what a listener raises, and call the next one."""
    for listener in listeners:
        try:
            listener(written)
        except Exception:
            log.exception("a listener failed: the metrics miss one commit")
