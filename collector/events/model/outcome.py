"""The class of a recipient's outcome: what became of a delivery attempt, as a team acts on it (docs/events.md, 3).

`grafana/queries/shared/outcome_class.sql` says the same of bounces in SQL, and a test compares both.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from collector.events.model.event import BounceKind, Reason


class OutcomeClass(StrEnum):
    """What became of an attempt: a delivery, a bounce of one of five classes, or a deferral of one of two."""

    DELIVERED = "delivered"
    HARD = "hard"
    EXPIRED = "expired"
    BLOCK = "block"
    OTHER = "other"
    SOFT = "soft"
    DEFERRED = "deferred"
    DEFERRED_BLOCK = "deferred_block"


_REFUSING: Final = frozenset({Reason.REPUTATION, Reason.POLICY, Reason.AUTHENTICATION, Reason.CONTENT})
"""The reasons that refuse the sender."""

_BLOCKING: Final = _REFUSING | {Reason.RATE_LIMITED, Reason.GREYLISTED}
"""A bounce for one of these is a block. A deferral for a rate or by greylisting only asks for patience."""

_OF_KIND: Final = {BounceKind.HARD: OutcomeClass.HARD, BounceKind.EXPIRED: OutcomeClass.EXPIRED}


def bounce_class(reason: Reason | None, kind: BounceKind | None) -> OutcomeClass:
    """Return the class of a bounce; `None` is not known."""
    if kind in _OF_KIND:
        return _OF_KIND[kind]
    if reason in _BLOCKING:
        return OutcomeClass.BLOCK
    return OutcomeClass.OTHER if reason is Reason.OTHER else OutcomeClass.SOFT


def deferral_class(reason: Reason | None) -> OutcomeClass:
    """Return the class of a deferral; `None` is not known."""
    return OutcomeClass.DEFERRED_BLOCK if reason in _REFUSING else OutcomeClass.DEFERRED
