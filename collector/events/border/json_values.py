"""Makes JSON values plain: strings that PostgreSQL accepts, numbers within 64 bits, limited depth, and no subject."""

from __future__ import annotations

import json
import math
import re
from itertools import product
from typing import Any

MAX_DEPTH = 32
"""Levels of nesting in one event.

A log entry has two levels. A much deeper value is an attack on the recursive code that reads it later.
"""

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
YEAR_2200_MS = 7_258_118_400_000
"""A later time is ignored. PostgreSQL accepts times up to the year 294276, and refuses a row with a later one."""

SUBJECT_KEYS = frozenset("".join(letters) for letters in product(*((low, low.upper()) for low in "subject")))
"""`subject` in every spelling of upper and lower case."""

SCALARS = frozenset({str, int, float, bool, type(None)})
"""Types of values that need no change: clean strings, integers within 64 bits, other scalars."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""PostgreSQL's text cannot hold NUL, and UTF-8 cannot hold a surrogate."""


class TooDeepError(ValueError):
    """The value is nested more than `MAX_DEPTH` levels."""


_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def plain_text(text: str) -> str:
    """Return the text with each NUL and lone surrogate as U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def ascii_json(text: str) -> str:
    """Return JSON text with each character beyond ASCII as an escape: in JSON it means the same."""
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)


def plain_fields(fields: dict[str, Any], *, prune: bool = False, levels: int = MAX_DEPTH) -> dict[str, Any]:
    """Return the object with plain strings, keys too, and without a `subject` at any depth.

    Integers over 64 bits become floats; NaN and infinities become null. A value deeper than `levels` raises
    `TooDeepError`, or becomes null with `prune`.
    """
    return {
        plain_text(key): plain(value, prune=prune, levels=levels)
        for key, value in fields.items()
        if key not in SUBJECT_KEYS
    }


def plain(value: object, *, prune: bool = False, levels: int = MAX_DEPTH) -> object:
    """Return any JSON value, made plain as in `plain_fields`."""
    if not isinstance(value, (dict, list)):
        return _plain_scalar(value)
    if levels == 0:
        if prune:
            return None
        raise TooDeepError(f"nested more than {MAX_DEPTH} levels")
    if isinstance(value, list):
        return [plain(item, prune=prune, levels=levels - 1) for item in value]
    return plain_fields(value, prune=prune, levels=levels - 1)


def _plain_scalar(value: object) -> object:
    if type(value) is str:
        return plain_text(value)
    if type(value) is int and not INT64_MIN <= value <= INT64_MAX:
        return _nearest_float(value)
    if type(value) is float and not math.isfinite(value):
        return None
    return value if value is None or type(value) in (int, float, bool) else str(value)


def take_subject(fields: dict[str, Any]) -> str | None:
    """Take the `subject` keys (in any case) out of the entry. Return the first value that is text, or None."""
    if SUBJECT_KEYS.isdisjoint(fields):
        return None
    taken = [fields.pop(key) for key in list(fields) if key in SUBJECT_KEYS]
    return next((subject for subject in taken if type(subject) is str), None)


def _nearest_float(number: int) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None
