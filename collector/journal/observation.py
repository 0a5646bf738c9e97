"""What a kind of journal says of its settings, before anybody opens it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Topic(StrEnum):
    """A question of `doctor` to the journal."""

    PLACE = "place"
    """Can it be written, and does it outlive a crash?"""
    ROOM = "room"
    """Is there room for its quota?"""
    SPEED = "speed"
    """How long does one acknowledgement take?"""


class Severity(StrEnum):
    """FAULT: it does not work, or data can be lost. WARNING: it works, but badly. SKIPPED: it could not be told."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    SKIPPED = "skipped"


class Observation(NamedTuple):
    """One answer; `remedy` is empty where there is nothing to do."""

    severity: Severity
    what: str
    remedy: str = ""
