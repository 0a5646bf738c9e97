"""Takes the fields of a log entry into columns. Fields that no column holds whole stay, and become `raw`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from collector.events.border.json_values import INT64_MAX
from collector.events.model.event import COLUMN_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

INT32_MAX = 2**31 - 1
REAL_MIN, REAL_MAX = 1.2e-38, 3.4028234e38
"""The limits of PostgreSQL's `real`, beside 0. PostgreSQL refuses a row with a larger or a smaller number."""

EXACT_FLOATS = 2.0**53
"""From here on a float cannot represent every whole number."""

SURELY_SHORT = COLUMN_BYTES // 4
"""A text of this many characters always fits a column (UTF-8: at most four bytes each)."""

_NUMBER = re.compile(r"\s*[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?\s*", re.ASCII)
_NUMBER_CHARACTERS = 64
_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)


def cut_text(text: str) -> str:
    """Return the text cut for a column: at most `COLUMN_BYTES` bytes of UTF-8, cut between two characters."""
    if len(text) <= SURELY_SHORT:
        return text
    encoded = text.encode()
    return text if len(encoded) <= COLUMN_BYTES else encoded[:COLUMN_BYTES].decode("utf-8", "ignore")


def id_text(value: object, digits: int = 0) -> object:
    """Return a whole number as text with at least `digits` digits, and any other value unchanged.
    A relay may have turned an id of digits into a number.
    """
    if isinstance(value, float) and value.is_integer() and value < EXACT_FLOATS:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return value
    return str(value).zfill(digits)


def number_of(value: object) -> float | None:
    """Return the number, or the number in a text, if a `real` can hold it, else None."""
    if type(value) is str:
        if len(value) > _NUMBER_CHARACTERS or not _NUMBER.fullmatch(value):
            return None
        number = float(value)
    elif type(value) is int or type(value) is float:
        number = float(value)
    else:
        return None
    return number if number == 0 or REAL_MIN <= abs(number) <= REAL_MAX else None


class Fields:
    """Takes typed values out of an entry. A field of the wrong type gives None and stays in `rest`."""

    __slots__ = ("rest",)

    def __init__(self, entry: dict[str, Any]) -> None:
        self.rest = entry.copy()

    def texts(self, columns: Mapping[str, str]) -> dict[str, str]:
        """Return the texts of many fields by column, cut for the columns. `columns` maps fields to columns."""
        rest = self.rest
        texts: dict[str, str] = {}
        for key, column in columns.items():
            value = rest.get(key)
            if type(value) is not str:
                continue
            if value:
                texts[column] = held = value if len(value) <= SURELY_SHORT else cut_text(value)
                if len(held) != len(value):
                    continue
            del rest[key]
        return texts

    def whole_text(self, key: str) -> str | None:
        """Return the text, not cut. It is taken out, unless its column must cut it. An empty text gives None."""
        value = self.rest.get(key)
        if type(value) is not str:
            return None
        if len(value) <= SURELY_SHORT or len(value.encode()) <= COLUMN_BYTES:
            del self.rest[key]
        return value or None

    def text(self, key: str) -> str | None:
        """Return the text, cut for its column."""
        value = self.whole_text(key)
        return value if value is None or len(value) <= SURELY_SHORT else cut_text(value)

    def integer(self, key: str, largest: int = INT64_MAX) -> int | None:
        """Return a whole number from 0 to `largest`. A float with a whole value counts, and a text of digits."""
        value = self.rest.get(key)
        if type(value) is str and _DIGITS.fullmatch(value):
            value = int(value)
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not 0 <= value <= largest:
            return None
        del self.rest[key]
        return value

    def boolean(self, key: str) -> bool | None:
        """Return a boolean."""
        value = self.rest.get(key)
        if type(value) is not bool:
            return None
        del self.rest[key]
        return value

    def number(self, key: str) -> float | None:
        """Return a finite number, also from text (ZoneMTA writes scores as text).
        An empty text is taken out and gives None.
        """
        value = self.rest.get(key)
        number = number_of(value)
        if number is not None or value == "":
            del self.rest[key]
        return number

    def json(self) -> str | None:
        """Return the fields that are left as compact JSON, in the entry's order, or None if none is left."""
        return msgspec.json.encode(self.rest).decode() if self.rest else None
