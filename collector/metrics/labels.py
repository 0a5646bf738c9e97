"""Label values that senders choose, held to a bounded set."""

from __future__ import annotations

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
    """Lets the first `limit` distinct values through; later ones, and overlong ones, are `other`;
    a missing one is `none`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[str] = set()

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
    """Return True for what may stand in a label at all: neither overlong nor a mail address."""
    return len(value) <= MAX_LABEL_CHARACTERS and "@" not in value
