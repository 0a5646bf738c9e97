"""The form of a GELF message, and its time. Pure.

GELF 1.1: an object of flat fields, a sender's own with an underscore before them, `timestamp` in seconds.
Some senders write milliseconds, microseconds or nanoseconds. The magnitude shows which.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from collector.events.border.request_body import Item

Message: TypeAlias = Mapping[str, Any]

SECONDS_END: Final = 10**11
"""In seconds this is the year 5138, in milliseconds 1973. A lower stamp is in seconds."""

MILLISECONDS_END: Final = 10**14
MICROSECONDS_END: Final = 10**17
NANOSECONDS_END: Final = 10**20

_DECIMAL: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{0,20})?", re.ASCII)

MessageReader: TypeAlias = Callable[[Message, int], Item | None]
"""Reads one kind of message. Arguments: the message, its receipt (epoch ms). None for other kinds. Never raises."""


def time_of(message: Message, received_at: int) -> int:
    """Return the epoch ms of `timestamp`, else of the receipt. The time is not needed to identify the event."""
    stamp = message.get("timestamp")
    if type(stamp) is str and _DECIMAL.fullmatch(stamp):
        stamp = float(stamp) if "." in stamp else int(stamp)
    found = epoch_ms(stamp)
    return received_at if found is None else found


def epoch_ms(stamp: object) -> int | None:
    """Return the epoch ms of a stamp in seconds, milliseconds, microseconds or nanoseconds (the magnitude shows which).
    None for a value that is not a number.
    """
    if type(stamp) is not int and not (type(stamp) is float and math.isfinite(stamp)):
        return None
    assert isinstance(stamp, (int, float))
    if abs(stamp) >= NANOSECONDS_END:
        return None
    if abs(stamp) < SECONDS_END:
        return round(stamp * 1000)
    if abs(stamp) < MILLISECONDS_END:
        return round(stamp)
    return int(stamp // (1000 if abs(stamp) < MICROSECONDS_END else 1_000_000))
