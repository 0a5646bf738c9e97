"""Waits within the process, and which of them last too long."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

STUCK: Final = "stuck"
"""The trouble in `/readyz` of a part that did not end within its time."""


class Waits:
    """Waits of one kind, from any thread. `trouble` is `STUCK` while one of them lasts longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began: dict[object, float] = {}

    @contextmanager
    def one(self) -> Iterator[None]:
        """Time the block as a wait."""
        key = self.begin()
        try:
            yield
        finally:
            self.end(key)

    def begin(self) -> object:
        """Begin a wait, and return the key for `end`."""
        key = object()
        self._began[key] = time.monotonic()
        return key

    def end(self, key: object) -> None:
        """End a wait."""
        del self._began[key]

    @property
    def trouble(self) -> str | None:
        """`STUCK` while a wait lasts too long, else None."""
        too_long = time.monotonic() - self._seconds
        return STUCK if any(began < too_long for began in list(self._began.values())) else None
