"""The replies of the recording's servers, each with its columns by docs/events.md, written and reviewed by hand.

A key is a reply as a regular expression that leaves only the changing parts open, so that a new run against the same
servers finds its replies here. A reply that is not here is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


class UnknownReplyError(LookupError):
    """Raised for a reply that nobody has reviewed. Read it, decide by docs/events.md, and add it to the table."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The columns of one kind of reply.

    `reason` and `provider_code` apply to deferrals and bounces only, `bounce_kind` to bounces only.
    """

    smtp_code: int | None
    enhanced_code: str | None
    pattern: str
    reason: str = "not a failure"
    bounce_kind: str = "not a failure"
    provider_code: str | None = None


IPV4 = r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
HOST = r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]+"

# A 4xx in a bounce says that ZoneMTA gave up after its retries: `expired` (docs/events.md, section 3).
REPLIES: dict[str, Reply] = {
    # -- accepted
    r"250 2\.0\.0 Ok: queued as [0-9A-F]{10}": Reply(250, "2.0.0", "250 2.0.0 Ok: queued as <id>"),
    r"Message uploaded\. Received \d+ B response with status code \d{3}\.": Reply(
        None, None, "Message uploaded. Received # B response with status code #."
    ),
    # -- deferred, or bounced when the retries were used up
    (
        r"450 4\.2\.1 The user you are trying to contact is receiving mail at a rate that prevents additional "
        r"messages from being delivered"
    ): Reply(
        450,
        "4.2.1",
        (
            "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional "
            "messages from being delivered"
        ),
        reason="rate_limited",
        bounce_kind="expired",
    ),
    r"451 4\.3\.2 Please try again later": Reply(
        451, "4.3.2", "451 4.3.2 Please try again later", reason="greylisted", bounce_kind="expired"
    ),
    r"451 4\.3\.0 Local problem, queue file write error": Reply(
        451, "4.3.0", "451 4.3.0 Local problem, queue file write error", reason="other", bounce_kind="expired"
    ),
    r"421 4\.7\.0 Too many concurrent SMTP connections from your IP, try again later": Reply(
        421,
        "4.7.0",
        "421 4.7.0 Too many concurrent SMTP connections from your IP, try again later",
        reason="rate_limited",
        bounce_kind="expired",
    ),
    r"451 4\.7\.1 Greylisting in action, please come back later": Reply(
        451,
        "4.7.1",
        "451 4.7.1 Greylisting in action, please come back later",
        reason="greylisted",
        bounce_kind="expired",
    ),
    # -- deferred while another sending address may do better, then bounced
    (
        rf"554 5\.7\.1 Service unavailable; Client host \[{IPV4}\] blocked using zen\.spamhaus\.org; "
        rf"listed at spamhaus https://www\.spamhaus\.org/query/ip/{IPV4}"
    ): Reply(
        554,
        "5.7.1",
        "554 5.7.1 Service unavailable; Client host [<ip>] blocked using <host>; listed at spamhaus <url>",
        reason="reputation",
        bounce_kind="soft",
    ),
    # -- bounced
    r"550 5\.1\.1 The email account that you tried to reach does not exist\. User unknown": Reply(
        550,
        "5.1.1",
        "550 5.1.1 The email account that you tried to reach does not exist. User unknown",
        reason="unknown_user",
        bounce_kind="hard",
    ),
    # Gmail's three lines, as ZoneMTA joins them. The pattern keeps the codes of the first line only. `d2si123.45` has
    # a dot and a letter, so it counts as a host.
    (
        r"550 5\.1\.1 The email account that you tried to reach does not exist\. "
        r"550-Please try double-checking the recipient address for typos\. "
        r"5\.1\.1 https://support\.gmail\.example/mail/\?p=NoSuchUser d2si123\.45 - gsmtp"
    ): Reply(
        550,
        "5.1.1",
        (
            "550 5.1.1 The email account that you tried to reach does not exist. "
            "Please try double-checking the recipient address for typos. <url> <host> - gsmtp"
        ),
        reason="unknown_user",
        bounce_kind="hard",
    ),
    r"554 5\.7\.1 \[CS\] Message blocked due to spam content\. Please visit https://support\.example/spam": Reply(
        554,
        "5.7.1",
        "554 5.7.1 [CS] Message blocked due to spam content. Please visit <url>",
        reason="content",
        bounce_kind="soft",
    ),
    r"552 5\.2\.2 The email account that you tried to reach is over quota; mailbox full": Reply(
        552,
        "5.2.2",
        "552 5.2.2 The email account that you tried to reach is over quota; mailbox full",
        reason="mailbox_full",
        bounce_kind="soft",
    ),
    r"552 5\.2\.2 over quota": Reply(552, "5.2.2", "552 5.2.2 over quota", reason="mailbox_full", bounce_kind="soft"),
    r"550 5\.7\.1 Relaying denied": Reply(
        550, "5.7.1", "550 5.7.1 Relaying denied", reason="policy", bounce_kind="soft"
    ),
    # -- texts of ZoneMTA itself, which have no code
    (
        rf"Network error: Network error when connecting to MX server {HOST}\[{IPV4}\] for {HOST}: "
        rf"Connection refused"
    ): Reply(
        None,
        None,
        "Network error: Network error when connecting to MX server <host>[<ip>] for <host>: Connection refused",
        reason="connection",
        bounce_kind="expired",
    ),
    rf"Network error: Error connecting to {IPV4}\. Unexpected socket close": Reply(
        None,
        None,
        "Network error: Error connecting to <ip>. Unexpected socket close",
        reason="connection",
        bounce_kind="expired",
    ),
    rf"Network error: Error connecting to {IPV4}\. Greeting never received": Reply(
        None,
        None,
        "Network error: Error connecting to <ip>. Greeting never received",
        reason="connection",
        bounce_kind="expired",
    ),
    (
        rf"DNS Error: DNS error occurred while resolving the Mail Exchange \(MX\) "
        rf"server for the specified domain \({HOST}\)\. No MX server found"
    ): Reply(
        None,
        None,
        (
            "DNS Error: DNS error occurred while resolving the Mail Exchange (MX) "
            "server for the specified domain (<host>). No MX server found"
        ),
        reason="dns",
        bounce_kind="hard",
    ),
    # An HTTP status is no SMTP code. Nothing was retried, so the bounce is not `expired`. The pattern is made from the
    # text alone.
    r"404 Upload failed\. Received \d+ B response": Reply(
        None, None, "404 Upload failed. Received # B response", reason="other", bounce_kind="soft"
    ),
    # -- answers of ZoneMTA's plugins to the submitter (NOQUEUE, DROP), and the result of a virus scanner
    r"250 OK silently dropped": Reply(250, None, "250 OK silently dropped"),
    r"550 5\.7\.1 You reached your daily sending limit": Reply(
        550, "5.7.1", "550 5.7.1 You reached your daily sending limit"
    ),
    r"550 This message was classified as SPAM and may not be delivered": Reply(
        550, None, "550 This message was classified as SPAM and may not be delivered"
    ),
    r"550 This message contains a virus and may not be delivered": Reply(
        550, None, "550 This message contains a virus and may not be delivered"
    ),
    r"Eicar-Test-Signature": Reply(None, None, "Eicar-Test-Signature"),
}


def reviewed_reply(text: str) -> Reply:
    """Return the entry that matches the whole reply. Raise `UnknownReplyError` unless exactly one does."""
    found = [reply for pattern, reply in REPLIES.items() if re.fullmatch(pattern, text)]
    if len(found) != 1:
        raise UnknownReplyError(f"{len(found)} reviewed replies match {text!r}")
    return found[0]
