"""The questions of `doctor` about a journal that is not open."""

from __future__ import annotations

from enum import StrEnum


class Topic(StrEnum):
    """A question of `doctor` to the journal."""

    PLACE = "place"
    """Can it be written, and does it outlive a crash?"""
    ROOM = "room"
    """Is there room for its quota?"""
    SPEED = "speed"
    """How long does one acknowledgement take?"""
