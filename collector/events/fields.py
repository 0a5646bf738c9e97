"""The fields of one log entry, taken out column by column: what is taken whole is gone, what is left becomes `raw`."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from collector.events.model import COLUMN_BYTES
from collector.events.plain import INT64_MAX

INT32_MAX = 2**31 - 1

_SURELY_SHORT = COLUMN_BYTES // 4
"""Characters that fit a column however they are encoded (UTF-8: at most four bytes each)."""

_NUMBER = re.compile(r"\s*[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?\s*", re.ASCII)


def cut(text: str) -> str:
    """The text as a column holds it: at most `COLUMN_BYTES` bytes of UTF-8, cut on a character border."""
    if len(text) <= _SURELY_SHORT:
        return text
    encoded = text.encode()
    return text if len(encoded) <= COLUMN_BYTES else encoded[:COLUMN_BYTES].decode("utf-8", "ignore")


class Fields:
    """Takes typed values out of an entry. Each method returns None, and leaves the field, when it holds another type.

    A null says nothing and is taken by the first column that asks for it.
    """

    __slots__ = ("rest",)

    def __init__(self, entry: dict[str, Any]) -> None:
        self.rest = entry.copy()

    def whole_text(self, key: str) -> str | None:
        """The text, uncut; it is taken unless its column has to cut it. An empty one is taken and None."""
        value = self.rest.get(key)
        if type(value) is str:
            if len(value) <= _SURELY_SHORT or len(value.encode()) <= COLUMN_BYTES:
                del self.rest[key]
            return value or None
        if value is None:
            self.rest.pop(key, None)
        return None

    def text(self, key: str) -> str | None:
        """The text, as its column holds it."""
        value = self.rest.get(key)
        if type(value) is str:
            if len(value) <= _SURELY_SHORT:
                del self.rest[key]
                return value or None
            held = cut(value)
            if held is value:
                del self.rest[key]
            return held
        if value is None:
            self.rest.pop(key, None)
        return None

    def integer(self, key: str, largest: int = INT64_MAX, smallest: int = 0) -> int | None:
        """A whole number from `smallest` to `largest`; a float with a whole value counts."""
        value = self.rest.get(key)
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is int and smallest <= value <= largest:
            del self.rest[key]
            return value
        if value is None:
            self.rest.pop(key, None)
        return None

    def boolean(self, key: str) -> bool | None:
        """True or False."""
        value = self.rest.get(key)
        if type(value) is bool:
            del self.rest[key]
            return value
        if value is None:
            self.rest.pop(key, None)
        return None

    def number(self, key: str) -> float | None:
        """A finite number, or text that is one (ZoneMTA writes scores as text)."""
        value: object = self.rest.get(key)
        if type(value) is str and _NUMBER.fullmatch(value[:64]):
            value = float(value[:64])
        if type(value) is int or (type(value) is float and math.isfinite(value)):
            del self.rest[key]
            return float(value)
        if value is None or value == "":
            self.rest.pop(key, None)
        return None

    def json(self) -> str | None:
        """What is left, as compact JSON in the entry's order; None when nothing is."""
        return msgspec.json.encode(self.rest).decode() if self.rest else None
