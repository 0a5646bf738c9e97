"""Parse and format the durations and sizes of settings. Errors name the right form."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_DURATION: Final = re.compile(r"(?P<count>[0-9]{1,12})(?P<unit>ms|s|m|h|d|y)", re.ASCII)
_SIZE: Final = re.compile(r"(?P<count>[0-9]{1,18})(?P<unit>KiB|MiB|GiB|TiB|)", re.ASCII)

_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "y": 365 * 86_400_000}
_BYTES: Final = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

DURATION_FORM: Final = "must be a duration like 250ms, 30s, 5m, 12h, 30d or 2y"
SIZE_FORM: Final = "must be a size like 512KiB, 8MiB, 8GiB, or a whole number of bytes"


def parse_duration(value: object, *, form: str = DURATION_FORM, years: int = 1000) -> timedelta:
    """Return `30s` as 30 seconds; a year is 365 days.

    Raise ValueError with the text `form`, also for more than `years`.
    """
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or (match := _DURATION.fullmatch(value.strip())) is None:
        raise ValueError(form)
    milliseconds = int(match["count"]) * _MILLISECONDS[match["unit"]]
    if milliseconds > years * _MILLISECONDS["y"]:
        raise ValueError(f"{form}, at most {years}y")
    return timedelta(milliseconds=milliseconds)


def format_duration(value: timedelta) -> str:
    """Return the shortest form of a duration: the inverse of `parse_duration`."""
    milliseconds = round(value / timedelta(milliseconds=1))
    for unit in ("y", "d", "h", "m", "s"):
        if milliseconds and milliseconds % _MILLISECONDS[unit] == 0:
            return f"{milliseconds // _MILLISECONDS[unit]}{unit}"
    return f"{milliseconds}ms"


def parse_size(value: object) -> int:
    """Return `8MiB` as 8388608. A number without a unit is bytes. Raise ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if not isinstance(value, str) or (match := _SIZE.fullmatch(value.strip())) is None:
        raise ValueError(SIZE_FORM)
    return int(match["count"]) * _BYTES[match["unit"]]


def format_size(value: int) -> str:
    """Return the shortest form of a size: the inverse of `parse_size`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if value and value % _BYTES[unit] == 0:
            return f"{value // _BYTES[unit]}{unit}"
    return str(value)
