"""The providers' own codes: a closed table of the codes in their replies, and their meaning.

A code counts only in a reply of its provider (told by the MX), so that a look-alike in another server's text is none.
Rows without a page of the provider's own name the page that documents the code.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from collector.events.model.event import Provider, Reason

READ_CHARACTERS = 2000

_GMAIL = "support.google.com/a/answer/3726730"
_GMAIL_FAQ = "support.google.com/a/answer/14229414"
_OUTLOOK = "postmaster.live.com/pm/troubleshooting.aspx"
_EXCHANGE = "learn.microsoft.com: Email non-delivery reports and SMTP errors in Exchange Online"
_YAHOO = "senders.yahooinc.com/smtp-error-codes"
_SISIMAI = "github.com/sisimai/p5-sisimai: lib/Sisimai/Rhost"
_SMTP_CODES = "smtp.codes"
_BOUNCES = "ZoneMTA config/bounces.txt"
_ORANGE = "www.postmastery.com/orange-postmaster-smtp-error-codes-ofr"
_SUPED_APPLE = "suped.com: what causes Apple email bounces"
_GMX = "postmaster.gmx.com/en/error-messages"
_KUMO = "github.com/KumoCorp/kumomta: assets/community/bounces.toml"
_NETEASE = "biecuoliao.com/pa/MBRrwEM.html (NetEase's list of bounce codes)"
_LAPOSTE = "www.postmastery.com/laposte-net-postmaster-smtp-error-codes-lpn"
_COREMAIL = "public lists of the codes of Coremail, which NetEase runs"
_SOPHOS = "docs.sophos.com: Email Security, SMTP error codes"


class Signal(NamedTuple):
    """A provider's code, as the column shows it. `page` documents it by name."""

    provider: Provider
    code: str
    reason: Reason
    meaning: str
    page: str


SIGNALS: tuple[Signal, ...] = (
    # Gmail: the enhanced code is the signal. 4.7.0 and 5.7.1 mean many things there; the text rules tell them apart.
    Signal(Provider.GOOGLE, "4.7.23", Reason.AUTHENTICATION, "the sending IP has no matching PTR record", _GMAIL),
    Signal(Provider.GOOGLE, "5.7.25", Reason.AUTHENTICATION, "the sending IP has no matching PTR record", _GMAIL),
    Signal(Provider.GOOGLE, "4.7.24", Reason.AUTHENTICATION, "the SPF record has suspicious entries", _GMAIL),
    Signal(Provider.GOOGLE, "5.7.24", Reason.AUTHENTICATION, "the SPF record has suspicious entries", _GMAIL),
    Signal(Provider.GOOGLE, "4.7.26", Reason.AUTHENTICATION, "neither SPF nor DKIM passed, or the DMARC policy",
        _GMAIL),
    Signal(Provider.GOOGLE, "5.7.26", Reason.AUTHENTICATION, "neither SPF nor DKIM passed, or the DMARC policy",
        _GMAIL),
    Signal(Provider.GOOGLE, "4.7.27", Reason.AUTHENTICATION, "SPF did not pass", _GMAIL),
    Signal(Provider.GOOGLE, "5.7.27", Reason.AUTHENTICATION, "SPF did not pass", _GMAIL),
    Signal(Provider.GOOGLE, "4.7.28", Reason.RATE_LIMITED, "unusual rate of (unsolicited) mail", _GMAIL),
    Signal(Provider.GOOGLE, "5.7.28", Reason.RATE_LIMITED, "unusual rate of (unsolicited) mail", _GMAIL),
    Signal(Provider.GOOGLE, "4.7.29", Reason.TLS, "not sent over TLS", _GMAIL),
    Signal(Provider.GOOGLE, "5.7.29", Reason.TLS, "not sent over TLS", _GMAIL),
    Signal(Provider.GOOGLE, "4.7.30", Reason.AUTHENTICATION, "DKIM did not pass", _GMAIL),
    Signal(Provider.GOOGLE, "5.7.30", Reason.AUTHENTICATION, "DKIM did not pass", _GMAIL),
    Signal(Provider.GOOGLE, "4.7.31", Reason.AUTHENTICATION, "the sending domain has no DMARC record", _GMAIL_FAQ),
    Signal(Provider.GOOGLE, "4.7.32", Reason.AUTHENTICATION, "From: is not aligned with SPF or DKIM", _GMAIL),
    Signal(Provider.GOOGLE, "5.7.32", Reason.AUTHENTICATION, "From: is not aligned with SPF or DKIM", _GMAIL),
    Signal(Provider.GOOGLE, "4.7.40", Reason.AUTHENTICATION, "the sending domain has no DMARC record", _GMAIL),
    Signal(Provider.GOOGLE, "5.7.40", Reason.AUTHENTICATION, "the sending domain has no DMARC record", _GMAIL),
    # Outlook.com (consumers).
    Signal(Provider.MICROSOFT, "S3140", Reason.REPUTATION, "part of the network is on the block list",
        "virtbiz.com/client: Outlook has blocked my email"),
    Signal(Provider.MICROSOFT, "S3150", Reason.REPUTATION, "part of the network is on the block list", _SMTP_CODES),
    Signal(Provider.MICROSOFT, "S775", Reason.REPUTATION, "rate limited for the IP's reputation", _SISIMAI),
    Signal(Provider.MICROSOFT, "S843", Reason.REPUTATION, "rate limited for the IP's reputation", _SMTP_CODES),
    Signal(Provider.MICROSOFT, "S844", Reason.REPUTATION, "rate limited for the IP's reputation",
        "github.com/Mailu/Mailu/issues/3013"),
    Signal(Provider.MICROSOFT, "S3114", Reason.REPUTATION, "rate limited for the IP's reputation",
        "github.com/ActiveCampaign/smtp-field-manual/pull/89"),
    Signal(Provider.MICROSOFT, "S8001", Reason.REPUTATION, "Spamhaus lists the HELO domain", _SMTP_CODES),
    Signal(Provider.MICROSOFT, "S8002", Reason.REPUTATION, "Spamhaus lists the MAIL FROM domain", _SMTP_CODES),
    Signal(Provider.MICROSOFT, "RP-001", Reason.RATE_LIMITED, "the IP is over its rate limit", _OUTLOOK),
    Signal(Provider.MICROSOFT, "RP-002", Reason.RATE_LIMITED, "the connection is over its rate limit", _OUTLOOK),
    Signal(Provider.MICROSOFT, "RP-003", Reason.RATE_LIMITED, "the IP is over its connection limit", _OUTLOOK),
    Signal(Provider.MICROSOFT, "SC-001", Reason.CONTENT, "spam-like content, or reputation", _OUTLOOK),
    Signal(Provider.MICROSOFT, "SC-002", Reason.REPUTATION, "namespace mining", _OUTLOOK),
    Signal(Provider.MICROSOFT, "SC-003", Reason.REPUTATION, "the IP looks like an open proxy or relay", _OUTLOOK),
    Signal(Provider.MICROSOFT, "SC-004", Reason.REPUTATION, "complaints about the IP", _OUTLOOK),
    Signal(Provider.MICROSOFT, "DY-001", Reason.REPUTATION, "a dynamic IP", _OUTLOOK),
    Signal(Provider.MICROSOFT, "DY-002", Reason.REPUTATION, "a compromised server is likely", _OUTLOOK),
    Signal(Provider.MICROSOFT, "OU-001", Reason.REPUTATION, "Spamhaus lists the IP", _OUTLOOK),
    Signal(Provider.MICROSOFT, "OU-002", Reason.CONTENT, "spam-like content, or reputation", _OUTLOOK),
    Signal(Provider.MICROSOFT, "5.7.515", Reason.AUTHENTICATION, "a bulk sender's SPF, DKIM or DMARC did not pass",
        _OUTLOOK),
    # Microsoft 365.
    Signal(Provider.MICROSOFT, "AS16012607", Reason.POLICY, "the recipient's own block list", _EXCHANGE),
    Signal(Provider.MICROSOFT, "AS16012609", Reason.REPUTATION, "the sending IP is banned", _BOUNCES),
    Signal(Provider.MICROSOFT, "AS16012611", Reason.REPUTATION, "Spamhaus lists the IP", _BOUNCES),
    Signal(Provider.MICROSOFT, "4.7.26", Reason.AUTHENTICATION, "over IPv6 without SPF or DKIM", _EXCHANGE),
    Signal(Provider.MICROSOFT, "4.7.500-699", Reason.REPUTATION, "suspicious activity, restricted for now", _EXCHANGE),
    Signal(Provider.MICROSOFT, "4.7.850-899", Reason.REPUTATION, "suspicious activity of the IP, restricted for now",
        _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.2.121", Reason.RATE_LIMITED, "the recipient's hourly limit for one sender",
        _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.2.122", Reason.RATE_LIMITED, "the recipient's hourly limit", _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.23", Reason.AUTHENTICATION, "SPF did not pass", _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.25", Reason.AUTHENTICATION, "the sending IPv6 address has no PTR record",
        _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.504", Reason.UNKNOWN_USER, "the recipient's address is not valid", _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.505", Reason.UNKNOWN_USER, "the recipient is not valid", _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.506", Reason.POLICY, "HELO with the receiver's own name", _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.507", Reason.POLICY, "the recipient's organisation blocks the IP", _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.508", Reason.RATE_LIMITED, "the IPv6 range is over its limit", _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.509", Reason.AUTHENTICATION, "DMARC did not pass and asks for rejection",
        _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.510", Reason.POLICY, "the recipient takes no mail over IPv6", _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.511", Reason.REPUTATION, "the sending IP is banned", _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.512", Reason.CONTENT, "no valid From: address", _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.513", Reason.POLICY, "the recipient's own block list", _EXCHANGE),
    Signal(Provider.MICROSOFT, "5.7.606-649", Reason.REPUTATION, "the sending IP is banned", _EXCHANGE),
    # Yahoo, AOL.
    Signal(Provider.YAHOO, "TS01", Reason.REPUTATION, "deferred for users' complaints",
        "mail.python.org/pipermail/mailman-users/2012-June/073612.html"),
    Signal(Provider.YAHOO, "TS02", Reason.REPUTATION, "unusual traffic or users' complaints",
        "www.smtp-error-codes.info: 421 4.7.0 [TS02]"),
    Signal(Provider.YAHOO, "TS03", Reason.REPUTATION, "all messages of the IP deferred for good",
        "help.yahoo.com/kb SLN3436"),
    Signal(Provider.YAHOO, "TSS04", Reason.REPUTATION, "unexpected volume or users' complaints", _SMTP_CODES),
    Signal(Provider.YAHOO, "TSS05", Reason.REPUTATION, "unexpected volume or users' complaints", _KUMO),
    Signal(Provider.YAHOO, "TSS07", Reason.REPUTATION, "Spamhaus lists the IP", _BOUNCES),
    Signal(Provider.YAHOO, "TSS09", Reason.REPUTATION, "all messages of the IP deferred for good", _SISIMAI),
    Signal(Provider.YAHOO, "TSS11", Reason.REPUTATION, "all messages of the IP deferred for good", _SISIMAI),
    Signal(Provider.YAHOO, "BL21", Reason.REPUTATION, "Spamhaus lists the IP", _SISIMAI),
    Signal(Provider.YAHOO, "BL23", Reason.REPUTATION, "Spamhaus XBL lists the IP", _SISIMAI),
    Signal(Provider.YAHOO, "IPTS04", Reason.REPUTATION, "deferred for users' complaints", _BOUNCES),
    Signal(Provider.YAHOO, "IPTS05", Reason.REPUTATION, "deferred for users' complaints", _KUMO),
    Signal(Provider.YAHOO, "PH01", Reason.CONTENT, "content against policy (viruses, phishing, links)", _YAHOO),
    Signal(Provider.YAHOO, "AU01", Reason.AUTHENTICATION, "the DKIM signature is not valid", _BOUNCES),
    # iCloud.
    Signal(Provider.APPLE, "CS01", Reason.POLICY, "rejected by local policy", _SISIMAI),
    Signal(Provider.APPLE, "CS02", Reason.POLICY, "rejected by local policy", _SUPED_APPLE),
    Signal(Provider.APPLE, "HM08", Reason.POLICY, "rejected by local policy", _SUPED_APPLE),
    Signal(Provider.APPLE, "HME1", Reason.AUTHENTICATION, "neither SPF nor DKIM passed", _SISIMAI),
    # Orange: OFR<server>_<code>, the server left out.
    Signal(Provider.ORANGE, "OFR_102", Reason.REPUTATION, "the IP is blocked for spam", _ORANGE),
    Signal(Provider.ORANGE, "OFR_103", Reason.REPUTATION, "service refused", _ORANGE),
    Signal(Provider.ORANGE, "OFR_104", Reason.RATE_LIMITED, "too many connections", _ORANGE),
    Signal(Provider.ORANGE, "OFR_405", Reason.POLICY, "the sender is not valid", _ORANGE),
    Signal(Provider.ORANGE, "OFR_415", Reason.POLICY, "the sender is not valid", _ORANGE),
    Signal(Provider.ORANGE, "OFR_416", Reason.UNKNOWN_USER, "the recipient is not valid", _ORANGE),
    Signal(Provider.ORANGE, "OFR_417", Reason.MAILBOX_FULL, "the recipient's mailbox is full", _ORANGE),
    Signal(Provider.ORANGE, "OFR_506", Reason.CONTENT, "the mail is taken for spam", _ORANGE),
    Signal(Provider.ORANGE, "OFR_999", Reason.REPUTATION, "the IP is refused for some hours", _ORANGE),
    # GMX, WEB.DE, mail.com: the case in the link (`?c=`).
    Signal(Provider.GMX, "r0201", Reason.REPUTATION, "the IP is on a block list", _GMX),
    Signal(Provider.GMX, "bl", Reason.REPUTATION, "the IP is on a block list", _GMX),
    Signal(Provider.GMX, "rdns", Reason.AUTHENTICATION, "the sending IP has no valid PTR record", _GMX),
    Signal(Provider.GMX, "hi", Reason.CONTENT, "a header of the message does not follow RFC 5322",
        "github.com/nextcloud/mail/issues/6497"),
    Signal(Provider.GMX, "hd", Reason.POLICY, "rejected by policy", _GMX),
    Signal(Provider.GMX, "r0735", Reason.POLICY, "rejected by policy", "github.com/hitobito/hitobito/issues/2671"),
    Signal(Provider.GMX, "r1001", Reason.POLICY, "rejected by policy", _GMX),
    # La Poste: `LPN`, the server's number, and the case.
    Signal(Provider.LAPOSTE, "LPN_101", Reason.REPUTATION, "Spamhaus lists the IP", _LAPOSTE),
    Signal(Provider.LAPOSTE, "LPN_102", Reason.REPUTATION, "a block list has the IP", _LAPOSTE),
    Signal(Provider.LAPOSTE, "LPN_104", Reason.RATE_LIMITED, "too many connections", _LAPOSTE),
    Signal(Provider.LAPOSTE, "LPN_401", Reason.AUTHENTICATION, "SPF did not pass", _LAPOSTE),
    Signal(Provider.LAPOSTE, "LPN_405", Reason.POLICY, "the sender is not valid", _LAPOSTE),
    Signal(Provider.LAPOSTE, "LPN_416", Reason.UNKNOWN_USER, "the recipient is not valid", _LAPOSTE),
    Signal(Provider.LAPOSTE, "LPN_420", Reason.UNKNOWN_USER, "the recipient's mailbox is archived", _LAPOSTE),
    Signal(Provider.LAPOSTE, "LPN_421", Reason.POLICY, "the sender is not the user that logged in", _LAPOSTE),
    Signal(Provider.LAPOSTE, "LPN_510", Reason.POLICY, "refused for content or policy", _LAPOSTE),
    Signal(Provider.LAPOSTE, "LPN_517", Reason.AUTHENTICATION, "DMARC did not pass", _LAPOSTE),
    # NetEase (163, 126, yeah).
    Signal(Provider.NETEASE, "HL:REP", Reason.REPUTATION, "too many unknown recipients from the IP", _NETEASE),
    Signal(Provider.NETEASE, "HL:MEP", Reason.REPUTATION, "forged sender domains from the IP", _NETEASE),
    Signal(Provider.NETEASE, "HL:ICC", Reason.RATE_LIMITED, "too many connections", _NETEASE),
    Signal(Provider.NETEASE, "HL:IFC", Reason.RATE_LIMITED, "too many messages from the IP", _NETEASE),
    Signal(Provider.NETEASE, "MI:DMC", Reason.RATE_LIMITED, "too many messages in one connection", _NETEASE),
    Signal(Provider.NETEASE, "MI:SFQ", Reason.RATE_LIMITED, "too many messages of the sender in 15 minutes", _NETEASE),
    Signal(Provider.NETEASE, "DT:RBL", Reason.REPUTATION, "the IP is on a block list", _NETEASE),
    Signal(Provider.NETEASE, "DT:SPM", Reason.CONTENT, "the mail looks like spam", _NETEASE),
    Signal(Provider.NETEASE, "HL:IHU", Reason.RATE_LIMITED, "the IP sends too often", _COREMAIL),
    Signal(Provider.NETEASE, "HL:IPB", Reason.REPUTATION, "the IP is on NetEase's block list", _COREMAIL),
    Signal(Provider.NETEASE, "MI:IPB", Reason.REPUTATION, "the sending IP is blocked", _COREMAIL),
    Signal(Provider.NETEASE, "MI:RBL", Reason.REPUTATION, "the IP is on a block list", _COREMAIL),
    Signal(Provider.NETEASE, "MI:SPF", Reason.AUTHENTICATION, "SPF did not pass", _COREMAIL),
    Signal(Provider.NETEASE, "MI:SPM", Reason.CONTENT, "the mail looks like spam", _COREMAIL),
    Signal(Provider.NETEASE, "MI:SUM", Reason.POLICY, "the sender is not the user that logged in", _COREMAIL),
    Signal(Provider.NETEASE, "MI:SFK", Reason.POLICY, "the sender is forged", _COREMAIL),
    Signal(Provider.NETEASE, "RP:DRL", Reason.POLICY, "relaying is forbidden", _COREMAIL),
    Signal(Provider.NETEASE, "RP:RCL", Reason.POLICY, "too many recipients of a message", _COREMAIL),
    Signal(Provider.NETEASE, "RP:TRC", Reason.RATE_LIMITED, "too many messages of the sender", _COREMAIL),
    Signal(Provider.NETEASE, "RP:UQT", Reason.MAILBOX_FULL, "the recipient's mailbox is full", _COREMAIL),
    Signal(Provider.NETEASE, "RP:SMS", Reason.SIZE, "larger than the server takes", _COREMAIL),
    Signal(Provider.NETEASE, "RP:UMS", Reason.SIZE, "larger than the recipient takes", _COREMAIL),
    Signal(Provider.NETEASE, "DT:UQT", Reason.MAILBOX_FULL, "the recipient's mailbox is full", _COREMAIL),
    Signal(Provider.NETEASE, "DT:SMS", Reason.SIZE, "larger than the server takes", _COREMAIL),
    Signal(Provider.NETEASE, "DT:UMS", Reason.SIZE, "larger than the recipient takes", _COREMAIL),
    Signal(Provider.NETEASE, "DT:MTH", Reason.OTHER, "too many hops", _COREMAIL),
    Signal(Provider.NETEASE, "DT:SUR", Reason.CONTENT, "SURBL lists a link in the mail", _COREMAIL),
    Signal(Provider.NETEASE, "WM:BLI", Reason.POLICY, "the IP is not in the list of permitted senders", _COREMAIL),
    # Sophos Email.
    Signal(Provider.SOPHOS, "XGEMAIL_0001", Reason.AUTHENTICATION, "no valid DKIM signature", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0002", Reason.AUTHENTICATION, "SPF did not pass", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0003", Reason.AUTHENTICATION, "DMARC did not pass", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0004", Reason.REPUTATION, "a block list has the sending IP", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0005", Reason.REPUTATION, "a block list has the sender's domain", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0006", Reason.TLS, "the TLS version is not permitted", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0008", Reason.POLICY, "the administrator's own block list", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0009", Reason.POLICY, "the recipient's own block list", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0010", Reason.POLICY, "not a domain of Sophos Email", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0011", Reason.UNKNOWN_USER, "the recipient does not exist", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0012", Reason.SIZE, "larger than permitted", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0013", Reason.POLICY, "too many recipients of a large message", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0014", Reason.RATE_LIMITED, "the recipient's limit for one sender", _SOPHOS),
    Signal(Provider.SOPHOS, "XGEMAIL_0015", Reason.RATE_LIMITED, "the recipient's limit", _SOPHOS),
)  # fmt: skip

# How each provider writes its codes: the group, or the two groups joined, is the code.
_WRITTEN: dict[Provider, re.Pattern[str]] = {
    Provider.MICROSOFT: re.compile(r"\((?:AS(?=[0-9]{4}\)))?((?:AS|S)?[0-9]{3,8})\)|\b((?:RP|SC|DY|OU)-00[0-9])\b"),
    Provider.YAHOO: re.compile(r"[\[(]([A-Z]{2,3}[0-9]{2})[\])]|\b(IPTS0[45])\b"),
    Provider.APPLE: re.compile(r"\[([A-Z]{2,3}[0-9]{1,2})\]"),
    Provider.ORANGE: re.compile(r"\b(OFR)[0-9]{0,3}(_[0-9]{3})\b", re.IGNORECASE),
    Provider.GMX: re.compile(r"[?&]c=([a-z0-9]{1,16})\b"),
    Provider.NETEASE: re.compile(r"\b([A-Z]{2}:[A-Z]{3})\b"),
    Provider.LAPOSTE: re.compile(r"\b(LPN)[0-9A]{0,3}(_[0-9]{3})\b"),
    Provider.SOPHOS: re.compile(r"\b(XGEMAIL_[0-9]{4})\b"),
}

_BY_CODE: dict[tuple[Provider, str], Signal] = {(row.provider, row.code): row for row in SIGNALS}
_SPEAKING = frozenset(row.provider for row in SIGNALS)

_RANGES = ("4.7.500-699", "4.7.850-899", "5.7.606-649")
"""Microsoft's codes that are documented as ranges; the column shows the range."""


def signal_of(reply: str, enhanced_code: str | None, provider: Provider | None) -> Signal | None:
    """Return the provider's own code in its reply if the table has it, else None. A code in the text counts before the
    enhanced code.
    """
    if provider is None or provider not in _SPEAKING:
        return None
    written = _WRITTEN.get(provider)
    if written is not None:
        for found in written.finditer(reply[:READ_CHARACTERS]):
            code = "".join(group for group in found.groups() if group)
            signal = _BY_CODE.get((provider, code.upper() if provider is Provider.ORANGE else code))
            if signal is not None:
                return signal
    if enhanced_code is None:
        return None
    return _BY_CODE.get((provider, enhanced_code)) or _in_range(enhanced_code, provider)


def _in_range(enhanced_code: str, provider: Provider) -> Signal | None:
    subject, _, detail = enhanced_code.rpartition(".")
    for code in _RANGES:
        prefix, _, bounds = code.rpartition(".")
        low, _, high = bounds.partition("-")
        if prefix == subject and int(low) <= int(detail) <= int(high):
            return _BY_CODE.get((provider, code))
    return None
