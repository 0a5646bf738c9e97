"""Tells listeners what was committed: the one place where their faults are kept from whoever commits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)

T = TypeVar("T")


def tell(listeners: Iterable[Callable[[T], object]], written: T) -> None:
    """Call each listener with what was committed. Raise nothing: what a listener raises is logged, and the next one is called."""
    for listener in listeners:
        try:
            listener(written)
        except Exception:
            log.exception("a listener failed: the metrics miss a commit")
