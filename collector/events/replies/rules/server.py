"""Rules for replies about the receiving server: greylisting, trouble, loops, TLS, connections."""

from __future__ import annotations

from typing import Final

from collector.events.model.event import Reason
from collector.events.replies.rules.rule import BOUNCES, GMAIL, MIMECAST, rule

GREYLISTED: Final = rule(
    Reason.GREYLISTED,
    f"{BOUNCES}; {MIMECAST}",
    "451 4.7.1 Greylisting in action, please come back later",
    r"gr[ea]y-? ?list|graulist|listes? grises?|listas? grises|lista grigia|сер\w\w списк|triplet"
    r"|灰名单|グレイ?ー?リスト"
    r"|internal resources? (?:is |are )?temporarily unavailable|(?:first|new) (?:time )?(?:contact"
    r"|sender|triplet)\b.{0,40}(?:later|again)",
)

TLS_UNAVAILABLE: Final = rule(
    Reason.TLS,
    "RFC 3207 (4)",
    "454 4.7.0 TLS not available due to local problem",
    r"\b(?:start)?tls (?:is |currently |temporarily ){0,2}(?:not |un)available"
    r"|n[o']t (?:\w+ ){0,3}over (?:an? )?(?:tls|ssl|encrypted)\b",
)

TROUBLE: Final = rule(
    Reason.OTHER,
    f"{BOUNCES}; Google, Microsoft and Yahoo: a fault at the other end",
    "451 4.3.0 Local problem, queue file write error",
    r"queue file write error|(?:local|internal|configuration|processing|backend|database|ldap|i/o|disk i/o|write"
    r"|lookup|dns server) (?:\w+ )?(?:problem|error|failure)",
    r"insufficient (?:system|disk)|(?<!user has )(?<!box has )not enough (?:system|disk)|(?:system|server|spool"
    r"|queue) (?:storage "
    r"|disk )?(?:is )?full|(?<!(?:box|ser) has )no space left|disk (?:is )?full",
    r"(?:temporar(?:y|ily)|transient|internal|unexpected) (?:\w+ )?(?:system|server|service|lookup|backend|database"
    r"|dns|mta) (?:error|problem|failure|issue)s?|(?:server|service) (?:is )?not ready|resolver\.adr\.badprimary",
    r"resources? (?:is |are )?(?:temporarily )?(?:unavailable|exhausted)|failed to be replicated|(?:server|system"
    r"|service)(?: is)?(?: currently| temporarily| too){0,2} (?:busy|overloaded|problem|down\b|offline|maintenance)",
    r"(?:database|ldap|backend|back-end|directory server|mail ?box server|mail server|cache)s? (?:is |was |are "
    r"|currently "
    r"|temporarily ){0,3}(?:not (?:available|found|reachable|responding)|unavailable|unreachable|offline|down\b"
    r"|disabled)",
    r"(?:address )?verification (?:is )?in progress|not verify (?:the )?(?:recipient|address) at this time"
    r"|lookup (?:has )?failed:|being (?:moved|migrated|upgraded|rebuilt|relocated)|(?:another|other) (?:process"
    r"|session)",
    r"(?:under|for|due to|during|scheduled) (?:\w+ )?maintenance|load (?:average )?(?:is )?too high"
    r"|high (?:system )?load|unknown mailer error"
    r"|ports (?:are )?busy|lines (?:are )?busy|workers (?:are )?busy|shutting down|mailing list expansion problem"
    r"|temporary lookup|out of memory",
)

LOOP: Final = rule(
    Reason.OTHER,
    "RFC 3463 (4.6): a loop",
    "554 5.4.6 Too many hops",
    r"too many (?:\w+ )?hops|hop ?count|exceeded # hops|hops exceeded|message depth exceeded|loop (?:was )?detected"
    r"|mail loop|loops back to"
    r"|too many received|(?:routing|forwarding) loop|looping",
)

TLS: Final = rule(
    Reason.TLS,
    f"{GMAIL}; RFC 3207; RFC 8461",
    "421 4.7.0 TLS required for RCPT domain, closing connection.",
    r"\btls\b|starttls|\bssl\b|encryption|certificate|\bdane\b|tlsa",
)

EXPIRED: Final = rule(
    Reason.EXPIRED,
    "RFC 3463 (4.7)",
    "550 4.4.7 Message expired",
    r"(?:message|delivery|delivery time|retry time|time|retry timeout) (?:\w+ )?(?:expired|exceeded|too long)"
    r"|in the queue too long|message timed out"
    r"|retry time not reached|(?:giving up|unable to deliver) .{0,20}(?:after|multiple)",
)

CONNECTION: Final = rule(
    Reason.CONNECTION,
    "ZoneMTA: Network error; Nodemailer's connection errors",
    "451 4.4.2 Timeout - closing connection.",
    r"^network error|connection (?:\w+ )?(?:timed out|reset|refused|lost|dropped)|time ?-?out\b|socket close",
    r"greeting never received|econn|etimedout|ehostunreach|failed to connect|tcp (?:\w+ ){0,5}(?:error|fail)"
    r"|socket (?:\w+ )?(?:error|fail)|host unreachable",
)
