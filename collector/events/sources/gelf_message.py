"""What every reader of a GELF message goes by: its form, and its time. Pure.

GELF 1.1: an object of flat fields, a sender's own with an underscore before them, `timestamp` in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from collector.events.body import Item

Message: TypeAlias = Mapping[str, Any]

MessageReader: TypeAlias = Callable[[Message, int], Item | None]
"""Reads one kind of message (and its receipt in epoch ms); None for every other kind. Never raises."""


def time_of(message: Message, received_at: int) -> int:
    """Epoch ms of `timestamp`, else the receipt: it identifies nothing."""
    seconds = message.get("timestamp")
    if type(seconds) is int:
        return seconds * 1000
    if type(seconds) is float and math.isfinite(milliseconds := seconds * 1000):
        return round(milliseconds)
    return received_at
