"""The result of a check: a status, what was found, and what to do about it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Status(StrEnum):
    """FAULT: something does not work, or data can be lost. WARNING: it works badly. SKIPPED: it is unknown."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    SKIPPED = "skipped"


class Finding(msgspec.Struct, frozen=True):
    """One result of the check `check` (its name in the table). `remedy` is empty if there is nothing to do."""

    status: Status
    what: str
    remedy: str = ""
    check: str = ""


def ok(what: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(Status.OK, what)


def warning(what: str, remedy: str) -> Finding:
    """Return the finding that something works, but badly."""
    return Finding(Status.WARNING, what, remedy)


def fault(what: str, remedy: str) -> Finding:
    """Return the finding that something does not work, or that data can be lost."""
    return Finding(Status.FAULT, what, remedy)


def skipped(why: str) -> Finding:
    """Return the finding that the state is unknown."""
    return Finding(Status.SKIPPED, why)


def age(seconds: float) -> str:
    """Return a duration in words: `12 s`, `5 min`, `3 h`, `2 d`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def printable(text: str) -> str:
    """Return a sender's text without control characters, so that none reaches a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
