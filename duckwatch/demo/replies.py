"""The receivers' replies in the demo: for each fate and family, ZoneMTA's category and the reply's text.

The wordings follow those of the providers. `{ip}` is the sending address, `{to}` the recipient, `{mx}` and `{host}`
are the receiver's host name and address.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from duckwatch.demo.cast import Family


class Fate(StrEnum):
    """The outcome of one recipient's delivery, decided when the message is queued."""

    DELIVERED = "delivered"
    GREYLISTED = "greylisted"
    THROTTLED = "throttled"
    UNKNOWN_USER = "unknown_user"
    FULL = "full"
    CONTENT = "content"
    UNAUTHENTICATED = "unauthenticated"
    NETWORK = "network"
    NO_MX = "no_mx"
    LISTED = "listed"
    RATE_LIMITED = "rate_limited"


class Reply(NamedTuple):
    """One reply: ZoneMTA's category (`config/bounces.txt`), and the text with its placeholders."""

    category: str
    text: str


FATES: dict[Fate, int] = {
    Fate.DELIVERED: 880,
    Fate.GREYLISTED: 34,
    Fate.THROTTLED: 12,
    Fate.UNKNOWN_USER: 30,
    Fate.FULL: 14,
    Fate.CONTENT: 10,
    Fate.UNAUTHENTICATED: 4,
    Fate.NETWORK: 13,
    Fate.NO_MX: 3,
}
"""Fate -> its frequency on an ordinary day, per thousand recipients."""

ACCEPTED: dict[Family, str] = {
    Family.GOOGLE: "250 2.0.0 OK  {seconds} {id} - gsmtp",
    Family.MICROSOFT: "250 2.6.0 {message_id} [InternalId={number}, Hostname=DB7EUR05HT018.mail.protection.outlook.com] {size} bytes in 0.132, 98.412 KB/sec Queued mail for delivery",
    Family.YAHOO: "250 ok dirdel",
    Family.APPLE: "250 2.0.0 Ok: queued as {id}",
    Family.POSTFIX: "250 2.0.0 Ok: queued as {id}",
}

_POSTFIX: dict[Fate, Reply] = {
    Fate.GREYLISTED: Reply("greylist",
        "450 4.2.0 <{to}>: Recipient address rejected: Greylisted, see http://postgrey.example/help/{domain}.html"),
    Fate.THROTTLED: Reply("greylist", "421 4.7.0 {mx} Error: too many connections from {ip}"),
    Fate.UNKNOWN_USER: Reply("recipient",
        "550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table"),
    Fate.FULL: Reply("capacity", "452 4.2.2 <{to}>: Mailbox full, quota exceeded"),
    Fate.CONTENT: Reply("spam", "554 5.7.1 [CS] Message blocked due to spam content. Score 11.4"),
    Fate.UNAUTHENTICATED: Reply("dmarc", "550 5.7.1 Rejected by the DMARC policy of {from_domain}"),
    Fate.LISTED: Reply("blacklist",
        "554 5.7.1 Service unavailable; Client host [{ip}] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/{ip}"),
    Fate.RATE_LIMITED: Reply("rate", "450 4.7.1 <{to}>: Too many messages in this hour, slow down"),
    Fate.NETWORK: Reply("network",
        "Network error: Network error when connecting to MX server {mx}[{host}] for {domain}: Connection timed out"),
    Fate.NO_MX: Reply("dns",
        "DNS Error: DNS error occurred while resolving the Mail Exchange (MX) server for the specified domain ({domain}). No MX server found"),
}  # fmt: skip

_OWN_WORDS: dict[Family, dict[Fate, Reply]] = {
    Family.GOOGLE: {
        Fate.THROTTLED: Reply("recipient",
            "450-4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered. Please resend your message at a later time. {id} - gsmtp"),
        Fate.UNKNOWN_USER: Reply("recipient",
            "550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces. https://support.google.com/mail/?p=NoSuchUser {id} - gsmtp"),
        Fate.FULL: Reply("capacity",
            "452-4.2.2 The recipient's inbox is out of storage space. https://support.google.com/mail/?p=OverQuotaTemp {id} - gsmtp"),
        Fate.CONTENT: Reply("spam",
            "550-5.7.1 [{ip}] Gmail has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked. {id} - gsmtp"),
        Fate.UNAUTHENTICATED: Reply("auth",
            "550-5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM. {id} - gsmtp"),
        Fate.RATE_LIMITED: Reply("rate",
            "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address [{ip}]. To protect our users from spam, mail sent from your IP address has been temporarily rate limited. {id} - gsmtp"),
    },
    Family.MICROSOFT: {
        Fate.THROTTLED: Reply("rate",
            "451 4.7.650 The mail server [{ip}] has been temporarily rate limited due to IP reputation. For e-mail delivery information, see https://postmaster.live.com (S775)"),
        Fate.UNKNOWN_USER: Reply("recipient",
            "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)."),
        Fate.FULL: Reply("capacity", "552 5.2.2 The email account that you tried to reach is over quota; mailbox full"),
        Fate.CONTENT: Reply("block",
            "550 5.7.1 Unfortunately, messages from [{ip}] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150)."),
        Fate.UNAUTHENTICATED: Reply("auth",
            "550 5.7.515 Access denied, sending domain {from_domain} does not meet the required authentication level."),
    },
    Family.YAHOO: {
        Fate.THROTTLED: Reply("greylist",
            "421 4.7.0 [TSS04] Messages from {ip} temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes"),
        Fate.UNKNOWN_USER: Reply("recipient",
            "554 delivery error: dd This user doesn't have a yahoo.example account ({to}) [0] - mta1234.mail.ne1.yahoo.example"),
    },
    Family.APPLE: {
        Fate.UNKNOWN_USER: Reply("recipient", "550 5.1.1 <{to}>: user does not exist"),
        Fate.FULL: Reply("capacity", "552 5.2.2 <{to}>: user is over quota"),
        Fate.LISTED: Reply("blacklist",
            "550 5.7.0 Blocked - see https://support.proofpoint.com/dnsbl-lookup.cgi?ip={ip}"),
    },
    Family.POSTFIX: {},
}  # fmt: skip


def answer(fate: Fate, family: Family) -> Reply:
    """Return the reply of a fate that is not plain delivery. A family without its own text uses Postfix's."""
    return _OWN_WORDS[family].get(fate, _POSTFIX[fate])


def final(reply: Reply) -> bool:
    """Return True when this reply ends the delivery at once: a 5xx reply, or a domain without MX host."""
    return reply.text.startswith("5") or reply.category == "dns"
