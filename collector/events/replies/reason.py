"""Finds why a delivery failed: one of a closed set, by the reply's text, its enhanced code, and ZoneMTA's category."""

from __future__ import annotations

import re
from functools import lru_cache

from collector.events.model.event import BounceKind, Reason
from collector.events.replies.rules.message import LISTED_LINK
from collector.events.replies.rules.order import DECIDED, WEAK
from collector.events.replies.status_codes import HEAD

READ_CHARACTERS = 2000
PATTERN_CHARACTERS = 600

_BOUNCES = "ZoneMTA config/bounces.txt"

TEXT_RULES = (*DECIDED, *WEAK)
"""All rules on a reply's text."""

_STOCK = re.compile(
    r"(?:requested (?:mail )?action (?:not taken|aborted)(?:: (?:mailbox unavailable|exceeded storage allocation))?"
    r"|transaction failed|syntax error in parameters or arguments|service not available, closing transmission channel)"
    r"[.:]? (?!or )(?=[a-z]+ [a-z]+)",
    re.IGNORECASE,
)
"""A phrase of RFC 5321 for a code, with more text behind it. It is skipped: replies of GMX, WEB.DE and IONOS begin with
it, and "the last line is decisive" (postmaster.gmx.com/en/error-messages).
"""

BLOCKLISTS = (
    "spamhaus", "spamcop", "sorbs.net", "barracudacentral", "uceprotect", "dnsbl", "csi.cloudmark.com", "senderscore",
    "mailspike", "abusix", "invaluement", "junkemailfilter", "spamrl.com", "proofpoint.com/dnsbl", "manitu.net",
    "ipcheck.proofpoint.com", "aup#cdrbl", "cloudmark sender",
)  # fmt: skip
"""Names of DNS lists in replies, often only in a link, which the pattern does not show. Source: ZoneMTA
config/bounces.txt and the lists' own sites."""

LINK_LISTS = ("uribl.com", "surbl.org")
"""Names of lists of links: a reply that names one blames a link in the message."""

_OUTWEIGHED = frozenset({Reason.POLICY, Reason.CONTENT})
"""Reasons of text rules that the name of a list in the reply outweighs."""

_OF_RECIPIENT = frozenset({Reason.UNKNOWN_USER, Reason.DNS})
"""Reasons that blame the recipient's address: such a bounce is hard."""

_AUTH_REPLIES = frozenset({"534", "535"})
"""Codes of replies to AUTH (RFC 4954): the user that they name is the relay's, ours, and not the recipient."""

_NETWORK = "network"
"""ZoneMTA's category for its own errors, and for any reply with x.4.y. It counts only without a reply code."""

_WORD = re.compile(r"[^\W\d_]{2}")

BY_ENHANCED_CODE: dict[str, tuple[Reason, str]] = {
    "1.1": (Reason.UNKNOWN_USER, "RFC 3463: bad destination mailbox address"),
    "1.2": (Reason.DNS, "RFC 3463: bad destination system address"),
    "1.3": (Reason.UNKNOWN_USER, "RFC 3463: bad destination mailbox address syntax"),
    "1.6": (Reason.UNKNOWN_USER, "RFC 3463: destination mailbox has moved"),
    "1.7": (Reason.POLICY, "RFC 3463: bad sender's mailbox address syntax"),
    "1.8": (Reason.POLICY, "RFC 3463: bad sender's system address"),
    "1.10": (Reason.DNS, "RFC 7505: recipient address has null MX"),
    "2.2": (Reason.MAILBOX_FULL, "RFC 3463: mailbox full"),
    "2.3": (Reason.SIZE, "RFC 3463: message length exceeds administrative limit"),
    "3.4": (Reason.SIZE, "RFC 3463: message too big for system"),
    "4.3": (Reason.DNS, "RFC 3463: directory server failure"),
    "4.4": (Reason.DNS, "RFC 3463: unable to route"),
    "4.7": (Reason.EXPIRED, "RFC 3463: delivery time expired"),
    "5.3": (Reason.POLICY, "RFC 3463: too many recipients"),
    "6.0": (Reason.CONTENT, "RFC 3463: other or undefined media error"),
    "6.1": (Reason.CONTENT, "RFC 3463: media not supported"),
    "6.2": (Reason.CONTENT, "RFC 3463: conversion required and prohibited"),
    "6.3": (Reason.CONTENT, "RFC 3463: conversion required but not supported"),
    "6.6": (Reason.CONTENT, "RFC 4468: message content not available"),
    "6.7": (Reason.POLICY, "RFC 6531: non-ASCII addresses not permitted"),
    "7.2": (Reason.POLICY, "RFC 3463: mailing list expansion prohibited"),
    "7.8": (Reason.AUTHENTICATION, "RFC 4954: authentication credentials invalid"),
    "7.9": (Reason.AUTHENTICATION, "RFC 4954: authentication mechanism is too weak"),
    "7.10": (Reason.TLS, "RFC 5248: encryption needed"),
    "7.11": (Reason.TLS, "RFC 4954: encryption required for authentication"),
    "7.13": (Reason.POLICY, "RFC 5248: user account disabled"),
    "7.17": (Reason.UNKNOWN_USER, "RFC 7293: mailbox owner has changed"),
    "7.18": (Reason.UNKNOWN_USER, "RFC 7293: domain owner has changed"),
    "7.20": (Reason.AUTHENTICATION, "RFC 7372: no passing DKIM signature found"),
    "7.21": (Reason.AUTHENTICATION, "RFC 7372: no acceptable DKIM signature found"),
    "7.22": (Reason.AUTHENTICATION, "RFC 7372: no valid author-matched DKIM signature found"),
    "7.23": (Reason.AUTHENTICATION, "RFC 7372: SPF validation failed"),
    "7.24": (Reason.AUTHENTICATION, "RFC 7372: SPF validation error"),
    "7.25": (Reason.AUTHENTICATION, "RFC 7372: reverse DNS validation failed"),
    "7.26": (Reason.AUTHENTICATION, "RFC 7372: multiple authentication checks failed"),
    "7.27": (Reason.POLICY, "RFC 7505: sender address has null MX"),
    "7.28": (Reason.RATE_LIMITED, "IANA: mail flood detected"),
    "7.29": (Reason.AUTHENTICATION, "RFC 8617: ARC validation failure"),
    "7.30": (Reason.TLS, "RFC 8689: REQUIRETLS support required"),
}
"""The reason by subject and detail of the enhanced code, for every class.

Codes with too many meanings (x.7.0, x.7.1, x.3.x, x.2.1 …) are not in the table.
"""

_NOT_OF_RECIPIENT = frozenset(
    detail
    for detail, (reason, _) in BY_ENHANCED_CODE.items()
    if detail in {"1.7", "1.8", "4.7"} or (detail.startswith("7.") and reason not in _OF_RECIPIENT)
)
"""Codes that blame the sender (RFC 3463, RFC 7505), security, or time, whatever the words say."""

BY_ENHANCED_CODE_4: dict[str, tuple[Reason, str]] = {
    "4.1": (Reason.CONNECTION, "RFC 3463: no answer from host"),
    "4.2": (Reason.CONNECTION, "RFC 3463: bad connection"),
}
"""The reason for codes of class 4 only: a server that answers with class 5 was reached."""

BY_ENHANCED_CODE_5: dict[str, tuple[Reason, str]] = {
    "2.1": (Reason.UNKNOWN_USER, "RFC 3463: mailbox disabled, not accepting messages"),
}
"""The reason for codes that blame the address only with class 5."""

BY_CATEGORY: dict[str, Reason] = {
    "blacklist": Reason.REPUTATION,
    "block": Reason.POLICY,
    "policy": Reason.POLICY,
    "sender": Reason.POLICY,
    "spam": Reason.CONTENT,
    "virus": Reason.CONTENT,
    "message": Reason.CONTENT,
    "rate": Reason.RATE_LIMITED,
    "greylist": Reason.GREYLISTED,
    "auth": Reason.AUTHENTICATION,
    "dmarc": Reason.AUTHENTICATION,
    "dns": Reason.DNS,
}
"""The reason by ZoneMTA's category (config/bounces.txt; `dns` and `network` are for its own errors)."""


def reason_of(reply: str, pattern: str, enhanced_code: str | None, category: str | None) -> Reason:
    """Return the reason of a reply that carries no provider's own code; `pattern` is its `response_pattern`."""
    known = category if category in BY_CATEGORY or category == _NETWORK else None
    reason, is_weak = _reason(pattern[:PATTERN_CHARACTERS], enhanced_code, known)
    # The name of a list counts only in a server's reply: ZoneMTA's own errors name the domain that it could not reach.
    if reply[:1] not in ("4", "5") or not (is_weak or reason is Reason.REPUTATION):
        return reason
    text = reply[:READ_CHARACTERS].lower()
    if any(name in text for name in LINK_LISTS):
        return Reason.CONTENT
    return Reason.REPUTATION if any(name in text for name in BLOCKLISTS) else reason


def bounce_kind(smtp_code: int | None, reason: Reason) -> BounceKind:
    """Return the kind of a bounce (docs/events.md, section 3)."""
    if smtp_code is not None and 400 <= smtp_code < 500:
        return BounceKind.EXPIRED
    if reason is Reason.EXPIRED or (smtp_code is None and reason is Reason.CONNECTION):
        return BounceKind.EXPIRED
    if reason in _OF_RECIPIENT:
        return BounceKind.HARD
    return BounceKind.SOFT


# Patterns repeat more often than replies. The cache is bounded in entries and in their length.
@lru_cache(maxsize=4096)
def _reason(pattern: str, enhanced_code: str | None, category: str | None) -> tuple[Reason, bool]:
    """Return the reason, and True if the name of a DNS list in the reply outweighs it."""
    head = HEAD.match(pattern)
    text = pattern[head.end() :].lstrip(" -") if head else pattern
    stock = _STOCK.match(text)
    text = text[stock.end() :] if stock else text
    text = text.lower()
    coded = text if enhanced_code is None else f"{enhanced_code} {text}"
    for rule in DECIDED:
        if rule.pattern.search(coded):
            reason = rule.reason
            if reason in _OF_RECIPIENT:
                reason = _reason_instead(head[1] if head else None, enhanced_code) or reason
            return reason, reason in _OUTWEIGHED and rule is not LISTED_LINK
    if (by_code := _by_code(enhanced_code)) is not None:
        return by_code, True
    is_permanent = pattern[:1] == "5"
    for rule in WEAK:
        if (is_permanent or rule.reason is not Reason.UNKNOWN_USER) and rule.pattern.search(text):
            return rule.reason, True
    return _by_category(category, has_code=head is not None, has_words=_WORD.search(text) is not None), True


def _reason_instead(smtp_code: str | None, enhanced_code: str | None) -> Reason | None:
    """Return the reason that the codes give where the words seem to blame the recipient, or None if the codes do not
    contradict the words.
    """
    if smtp_code in _AUTH_REPLIES:
        return Reason.AUTHENTICATION
    detail = "" if enhanced_code is None else enhanced_code.partition(".")[2]
    return BY_ENHANCED_CODE[detail][0] if detail in _NOT_OF_RECIPIENT else None


def _by_code(enhanced_code: str | None) -> Reason | None:
    if enhanced_code is None:
        return None
    detail = enhanced_code.partition(".")[2]
    by_class = BY_ENHANCED_CODE_5 if enhanced_code[0] == "5" else BY_ENHANCED_CODE_4
    row = BY_ENHANCED_CODE.get(detail) or by_class.get(detail)
    return None if row is None else row[0]


def _by_category(category: str | None, *, has_code: bool, has_words: bool) -> Reason:
    """Return the reason of ZoneMTA's category. For a reply without words the category only repeats the code, so it does
    not count.
    """
    if category == _NETWORK:
        return Reason.OTHER if has_code else Reason.CONNECTION
    return BY_CATEGORY[category] if category is not None and (has_words or not has_code) else Reason.OTHER
