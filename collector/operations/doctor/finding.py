"""What a check says: a status, what is the case, and what to do about it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Status(StrEnum):
    """FAULT: something does not work, or data can be lost. WARNING: it works, but not as it should. SKIPPED: it could not be told."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    SKIPPED = "skipped"


class Finding(msgspec.Struct, frozen=True):
    """One result of the check `check` (its name in the table); `remedy` is empty where there is nothing to do."""

    status: Status
    what: str
    remedy: str = ""
    check: str = ""


def ok(what: str) -> Finding:
    """All is well."""
    return Finding(Status.OK, what)


def warning(what: str, remedy: str) -> Finding:
    """It works, but not as it should."""
    return Finding(Status.WARNING, what, remedy)


def fault(what: str, remedy: str) -> Finding:
    """It does not work, or data can be lost."""
    return Finding(Status.FAULT, what, remedy)


def skipped(why: str) -> Finding:
    """It could not be told."""
    return Finding(Status.SKIPPED, why)


def age(seconds: float) -> str:
    """Returns a time in words: `12 s`, `5 min`, `3 h`, `2 d`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def printable(text: str) -> str:
    """Returns a sender's word without control characters: none of them reaches a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
