"""The order of the rules on a reply's text (`rule.py` says what a rule is). The first that matches decides."""

from __future__ import annotations

from typing import Final

from collector.events.model.event import Reason
from collector.events.replies.rules import message, recipient, sender, server
from collector.events.replies.rules.rule import BOUNCES, GMAIL, RFC5321, TextRule, rule

DECIDED: Final[tuple[TextRule, ...]] = (
    server.GREYLISTED,
    server.TLS_UNAVAILABLE,
    server.TROUBLE,
    server.LOOP,
    message.LISTED_LINK,
    sender.RECIPIENTS_LIST,
    sender.CALLED_BACK,
    message.VERDICT,
    sender.REPUTATION,
    sender.BAD_ADDRESS,
    message.FORM,
    sender.AUTHENTICATION,
    sender.RATE_LIMITED,
    recipient.MAILBOX_FULL,
    message.SIZE,
    # Before a rule makes a bounce hard, the reply must not blame the sender.
    sender.SENDER,
    sender.RELAYING,
    sender.NAMED_POLICY,
    recipient.NOT_NOW,
    recipient.UNKNOWN_USER,
    recipient.UNKNOWN_USER_ELSEWHERE,
    recipient.UNKNOWN_USER_FURTHER,
    recipient.DNS,
    server.TLS,
    message.CONTENT,
    server.EXPIRED,
    server.CONNECTION,
)
"""Rules that outweigh the enhanced code."""

WEAK: Final[tuple[TextRule, ...]] = (
    rule(
        Reason.UNKNOWN_USER,
        RFC5321,
        "550 Requested action not taken: mailbox unavailable",
        r"mailbox (?:<*<(?:addr|name)>>* )?(?:name |is )?(?:unavaila?ble|not allowed|not available)"
        r"|(?<!your )\b(?:recipient|account|user) (?:is )?unavailable"
        r"|addressee unknown",
    ),
    rule(
        Reason.AUTHENTICATION,
        f"{GMAIL}; RFC 4954",
        "550 5.7.0 authentication failed",
        r"authenticat(?:ed|ion|e\b)",
    ),
    rule(
        Reason.CONTENT,
        BOUNCES,
        "552 5.7.0 the attachment",
        r"\bcontent\b|attachment|\bheaders?\b|filtered\b|\b(?:archives?|macros?|executables?|threats?)\b",
    ),
    rule(
        Reason.POLICY,
        f"{BOUNCES}; RFC 5321 (550, 554)",
        "550 5.7.1 access denied",
        r"\brelay(?:ing)?\b(?!=)|polic(?:y|ies)|prohibit|not (?:permitted|authori[sz]ed|allowed)|access denied"
        r"|administrative|geographical",
        r"nicht (?:erlaubt|gestattet|zugelassen)|verweigert|non (?:autoris|autorizzat|consentit|permess)"
        r"|no (?:permitido|autorizado)|n[aã]o (?:permitid|autorizad)|niet toegestaan|niedozwol|не разреш|запрещ"
        r"|отказано"
        r"|拒绝|拒否|access to .{0,60}rejected",
        r"rejected (?:by|for)|\bblocked\b|protocol violation|not accepting connections|confirm this"
        r"|too many recipients|(?:mail|message) refused\b|(?<!permission )\bdenied\b|^permission denied"
        r"|have permission|\b(?:forbidden|banned)\b",
    ),
    rule(
        Reason.OTHER,
        "a fault at the other end, in words that greylisting uses too",
        "451 4.7.1 Service unavailable - try again later",
        r"service (?:\w+ )?unavailable|service not available|temporar(?:y|ily) (?:failure|unable|unavailable|problem"
        r"|error|fault)",
    ),
)
"""Rules on words with many meanings. They count only if neither a rule above nor a clear code decides."""
