"""Limits the number of values of a label that senders choose."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NONE = "none"
OTHER = "other"

MAX_CLUSTERS = 50
MAX_ZONES = 50
MAX_ADDRESSES = 256
MAX_HOSTS = 256
MAX_VERSIONS = 20
MAX_SQLSTATES = 50
MAX_LABEL_CHARACTERS = 100


class BoundedLabel:
    """Returns the first `limit` distinct values unchanged. Later values, and those that `is_name` refuses, become
    `other`; a missing value becomes `none`.

    `configured` are the first values: no other value takes their place.
    """

    def __init__(self, limit: int, configured: Iterable[str] = ()) -> None:
        self._limit = limit
        self._known = set(islice(configured, limit))

    def __call__(self, value: str | None) -> str:
        if value is None:
            return NONE
        if value in self._known:
            return value
        if len(self._known) >= self._limit or not is_name(value):
            return OTHER
        self._known.add(value)
        return value


def is_name(value: str) -> bool:
    """Return True if a value may be a label: it is not too long, and not a mail address."""
    return len(value) <= MAX_LABEL_CHARACTERS and "@" not in value
