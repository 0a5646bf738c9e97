"""Why a delivery failed: one of a closed set, from the reply's text, its enhanced code, and ZoneMTA's category."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from collector.events.model import BounceKind, Reason

READ_CHARACTERS = 2000
PATTERN_CHARACTERS = 600

_BOUNCES = "ZoneMTA config/bounces.txt"
_GMAIL = "support.google.com/a/answer/3726730"
_RFC5321 = "RFC 5321, 4.2"


class TextRule(NamedTuple):
    """A rule on the reply's text. The pattern is searched, without regard to case, in the reply's `response_pattern`."""

    reason: Reason
    pattern: re.Pattern[str]
    source: str


def _rule(reason: Reason, source: str, pattern: str) -> TextRule:
    return TextRule(reason, re.compile(pattern, re.IGNORECASE), source)


# The first that matches decides. What a reply says of the sender's fame comes before what it says of the message, and both
# before the words that many replies use for many things ("rejected", "policy", "not allowed"). No open-ended repeats: the
# time is linear in the reply.
TEXT_RULES: tuple[TextRule, ...] = (
    _rule(Reason.GREYLISTED, _BOUNCES, r"gr[ea]y-?list"),
    _rule(Reason.OTHER, f"{_BOUNCES}: a fault at the other end, not a full mailbox",
          r"queue file write error|local (?:problem|error)|insufficient system (?:storage|resources)"),
    _rule(Reason.CONTENT, f"{_BOUNCES}: a link in the message", r"\b(?:uribl|surbl)\b"),
    _rule(Reason.POLICY, _BOUNCES, r"blacklisted by recipient|customer block list|personal block"),
    _rule(Reason.REPUTATION, f"{_BOUNCES}; {_GMAIL}",
          r"reputation|black ?-?list|block ?-?list|\b(?:dns)?[rb]ls?\b|dnsbl|user complaints|banned send|spammer"
          r"|blocked (?:using|by) (?:<host>|spamhaus|trend)|\blisted (?:at|in|on|by|due)\b|due to listing|found in <host>"
          r"|originating from your (?:ip|netblock)(?=.{0,200}block)|blocked for spamming|currently sending spam"
          r"|permanently deferred|dynamic ip|too many (?:invalid|unknown) recipients"),
    _rule(Reason.RATE_LIMITED, f"{_BOUNCES}; {_GMAIL}",
          r"too many (?:\w+ ){0,3}(?:connections|sessions|messages|mails|emails|login|concurrent)|too (?:quickly|fast)"
          r"|at a rate that|unusual rate|rate ?-?limit|rate (?:exceeded|control)|throttl|slow down"
          r"|(?:connection|session|sending|relay|hourly|daily|thread|receive|message rate)s? (?:\w+ )?(?:limit|quota)"
          r"|excessive volume|unexpected volume|frequency limited|(?:exceeded|over) (?:the )?(?:rate|sending)"),
    _rule(Reason.MAILBOX_FULL, f"{_BOUNCES}; RFC 5321 (552)",
          r"over ?-?quota|quota (?:exceeded|full|limit)|exceed(?:ed|s|ing)? (?:\w+ ){0,3}(?:quota|storage)|out of storage"
          r"|(?:mailbox|inbox|mailfolder|mail box) (?:\w+ ){0,2}full|boite (?:\w+ ){0,3}pleine|is full\b|mailbox size"),
    _rule(Reason.SIZE, f"{_GMAIL} (5.3.4); RFC 1870",
          r"message (?:\w+ ){0,3}(?:too (?:large|big|long)|size)|size (?:\w+ ){0,3}(?:exceed|limit|too)|too large"
          r"|exceeds? (?:\w+ ){0,4}size|exceeded mailsize"),
    _rule(Reason.UNKNOWN_USER, f"{_BOUNCES}; {_GMAIL}; RFC 5321 (550)",
          r"(?:user|recipient|mailbox|account|address)(?: \w+| <addr>| \(<addr>\)){0,3}:? ?(?:unknown|not (?:found|known|exist)"
          r"|does(?: not|n't) exist|(?:is )?(?:inactive|disabled|deactivated|suspended|expired)|no longer)"
          r"|(?:unknown|no such|invalid|inactive|disabled|deactivated|expired) (?:\w+ ){0,2}(?:user|recipient|mailbox|account|alias|address here)"
          r"|(?:that you tried to reach|account|mailbox|user|recipient)(?: \w+){0,2} (?:does not|doesn't) exist"
          r"|user doesn't have|no mailbox here|recipient not found|destinataire invalide|5\.4\.1 .{0,80}access denied"
          r"|^5.{0,80}mailbox (?:name )?(?:unavailable|not allowed)|bad (?:destination )?mailbox"),
    _rule(Reason.POLICY, "Postfix: reject_unknown_sender_domain; the sender's address, not the recipient's",
          r"sender (?:address )?(?:rejected|refused|denied|invalid)|invalid sender|bad sender|emetteur invalide"),
    _rule(Reason.AUTHENTICATION, f"{_GMAIL}; RFC 7372",
          r"\b(?:dmarc|spf|dkim)\b|sender policy framework|unauthenticated|authenticat(?:ed|ion|e\b)"
          r"|reverse (?:dns|hostname|lookup)|\bptr\b|cannot find your (?:reverse )?(?:host|name)"),
    _rule(Reason.TLS, f"{_GMAIL}; RFC 3207; RFC 8461", r"\btls\b|starttls|\bssl\b|encryption|certificate|\bdane\b|tlsa"),
    _rule(Reason.CONTENT, f"{_BOUNCES}; {_GMAIL}",
          r"\bspam|unsolicited|virus|malware|phish|infected|\bcontent\b|attachment|rfc ?-?(?:5322|2822|822)\b|\bheaders?\b"
          r"|suspicious|junk|message (?:was |has been )?(?:classified|identified|detected)|security issue|prohibited file"),
    _rule(Reason.DNS, "ZoneMTA lib/mail-queue: DNS Error; RFC 7505",
          r"^dns error|null mx|no (?:valid )?mx\b|domain (?:name )?(?:\w+ )?(?:not found|does not exist)|nxdomain"
          r"|host (?:or domain )?(?:name )?(?:not found|unknown)|unrouteable|unroutable|dns (?:lookup|query) "),
    _rule(Reason.EXPIRED, "RFC 3463 (4.7)", r"(?:message|delivery time|retry time|time) (?:\w+ )?(?:expired|exceeded|too long)"),
    _rule(Reason.CONNECTION, "ZoneMTA: Network error; Nodemailer's connection errors",
          r"^network error|connection (?:\w+ )?(?:timed out|reset|refused|lost|dropped)|time ?-?out\b|socket close"
          r"|greeting never received|econn|etimedout|ehostunreach"),
    _rule(Reason.POLICY, f"{_BOUNCES}; RFC 5321 (550, 554)",
          r"relay|policy|prohibit|not (?:permitted|authori[sz]ed|allowed)|access denied|administrative|geographical"
          r"|rejected by recipient|rejected for"),
)  # fmt: skip

BLOCKLISTS = (
    "spamhaus", "spamcop", "sorbs.net", "barracudacentral", "uceprotect", "dnsbl", "csi.cloudmark.com", "senderscore",
    "mailspike", "abusix", "invaluement", "junkemailfilter", "spamrl.com", "proofpoint.com/dnsbl", "manitu.net",
)  # fmt: skip
"""Names of lists that replies point at, often in nothing but a link (which the pattern does not show). Source: ZoneMTA
config/bounces.txt and the lists' own sites."""

_WEAK = frozenset({Reason.POLICY, Reason.CONTENT})
"""What a text rule may say beside a link to a list that is the real reason."""

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
    "4.1": (Reason.CONNECTION, "RFC 3463: no answer from host"),
    "4.2": (Reason.CONNECTION, "RFC 3463: bad connection"),
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
"""By subject and detail, whatever the class. Codes that say too little (x.7.0, x.7.1, x.3.x, x.2.1 …) are left to the category."""

BY_ENHANCED_CODE_5: dict[str, tuple[Reason, str]] = {
    "2.1": (Reason.UNKNOWN_USER, "RFC 3463: mailbox disabled, not accepting messages"),
}
"""Codes that say something of the address only when they are permanent."""

BY_CATEGORY: dict[str, Reason] = {
    "blacklist": Reason.REPUTATION,
    "block": Reason.POLICY,
    "policy": Reason.POLICY,
    "sender": Reason.POLICY,
    "config": Reason.POLICY,
    "spam": Reason.CONTENT,
    "virus": Reason.CONTENT,
    "message": Reason.CONTENT,
    "rate": Reason.RATE_LIMITED,
    "greylist": Reason.GREYLISTED,
    "auth": Reason.AUTHENTICATION,
    "dmarc": Reason.AUTHENTICATION,
    "network": Reason.CONNECTION,
    "dns": Reason.DNS,
}
"""ZoneMTA's categories (config/bounces.txt; `dns` and `network` from its own errors)."""

BY_CATEGORY_5: dict[str, Reason] = {
    "recipient": Reason.UNKNOWN_USER,
    "capacity": Reason.MAILBOX_FULL,
}
"""Categories that ZoneMTA also gives to any 450, 451 and 452: they count in a 5xx reply only."""


def reason_of(reply: str, pattern: str, enhanced_code: str | None, category: str | None) -> Reason:
    """The reason of a reply that carries no provider's own code; `pattern` is its `response_pattern`."""
    known = category if category in BY_CATEGORY or category in BY_CATEGORY_5 else None
    reason, is_weak = _reason(pattern[:PATTERN_CHARACTERS], enhanced_code, known, is_permanent=reply[:1] == "5")
    # A list's name tells only in a server's reply: an error of ZoneMTA's own names the domain that it could not reach.
    if is_weak and reply[:1] in ("4", "5") and _names_blocklist(reply):
        return Reason.REPUTATION
    return reason


def bounce_kind(smtp_code: int | None, reason: Reason) -> BounceKind:
    """What a bounce says about the address (docs/events.md, section 3)."""
    if smtp_code is not None and 400 <= smtp_code < 500:
        return BounceKind.EXPIRED
    if reason is Reason.EXPIRED or (smtp_code is None and reason is Reason.CONNECTION):
        return BounceKind.EXPIRED
    if reason is Reason.UNKNOWN_USER or reason is Reason.DNS:
        return BounceKind.HARD
    return BounceKind.SOFT


def _names_blocklist(reply: str) -> bool:
    text = reply[:READ_CHARACTERS].lower()
    return any(name in text for name in BLOCKLISTS)


# Patterns repeat where replies do not: that is what they are for. Bounded in entries and in length.
@lru_cache(maxsize=4096)
def _reason(
    pattern: str, enhanced_code: str | None, category: str | None, *, is_permanent: bool
) -> tuple[Reason, bool]:
    """The reason, and whether the name of a blocklist in the reply would outweigh it."""
    for rule in TEXT_RULES:
        if rule.pattern.search(pattern):
            return rule.reason, rule.reason in _WEAK
    if enhanced_code is not None:
        detail = enhanced_code.partition(".")[2]
        row = BY_ENHANCED_CODE.get(detail) or (BY_ENHANCED_CODE_5.get(detail) if enhanced_code[0] == "5" else None)
        if row is not None:
            return row[0], True
    if category is None:
        return Reason.OTHER, True
    reason = BY_CATEGORY.get(category) or (BY_CATEGORY_5.get(category) if is_permanent else None)
    return reason or Reason.OTHER, True
