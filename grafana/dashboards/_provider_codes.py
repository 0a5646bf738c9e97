"""The meanings of the providers' own codes, for the column beside the code.

The table is a copy of collector/events/replies/provider_codes.py, because dashboards import nothing of the collector.
tests/contract/test_dashboards.py fails when the two differ.
"""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """The meaning of some codes of one provider, and the `reason` that the collector gives to such replies.

    `codes` are separated by spaces.
    """

    provider: str
    reason: str
    text: str
    codes: str


MEANINGS: tuple[Meaning, ...] = (
    Meaning("google", "authentication", "the sending IP has no matching PTR record", "4.7.23 5.7.25"),
    Meaning("google", "authentication", "the SPF record has suspicious entries", "4.7.24 5.7.24"),
    Meaning("google", "authentication", "neither SPF nor DKIM passed, or the DMARC policy", "4.7.26 5.7.26"),
    Meaning("google", "authentication", "SPF did not pass", "4.7.27 5.7.27"),
    Meaning("google", "rate_limited", "unusual rate of (unsolicited) mail", "4.7.28 5.7.28"),
    Meaning("google", "tls", "not sent over TLS", "4.7.29 5.7.29"),
    Meaning("google", "authentication", "DKIM did not pass", "4.7.30 5.7.30"),
    Meaning("google", "authentication", "the sending domain has no DMARC record", "4.7.31 4.7.40 5.7.40"),
    Meaning("google", "authentication", "From: is not aligned with SPF or DKIM", "4.7.32 5.7.32"),
    Meaning("microsoft", "reputation", "part of the network is on the block list", "S3140 S3150"),
    Meaning("microsoft", "reputation", "rate limited for the IP's reputation", "S775 S843 S844 S3114"),
    Meaning("microsoft", "reputation", "Spamhaus lists the HELO domain", "S8001"),
    Meaning("microsoft", "reputation", "Spamhaus lists the MAIL FROM domain", "S8002"),
    Meaning("microsoft", "rate_limited", "the IP is over its rate limit", "RP-001"),
    Meaning("microsoft", "rate_limited", "the connection is over its rate limit", "RP-002"),
    Meaning("microsoft", "rate_limited", "the IP is over its connection limit", "RP-003"),
    Meaning("microsoft", "content", "spam-like content, or reputation", "SC-001 OU-002"),
    Meaning("microsoft", "reputation", "namespace mining", "SC-002"),
    Meaning("microsoft", "reputation", "the IP looks like an open proxy or relay", "SC-003"),
    Meaning("microsoft", "reputation", "complaints about the IP", "SC-004"),
    Meaning("microsoft", "reputation", "a dynamic IP", "DY-001"),
    Meaning("microsoft", "reputation", "a compromised server is likely", "DY-002"),
    Meaning("microsoft", "reputation", "Spamhaus lists the IP", "OU-001 AS16012611"),
    Meaning("microsoft", "authentication", "a bulk sender's SPF, DKIM or DMARC did not pass", "5.7.515"),
    Meaning("microsoft", "policy", "the recipient's own block list", "AS16012607 5.7.513"),
    Meaning("microsoft", "reputation", "the sending IP is banned", "AS16012609 5.7.511 5.7.606-649"),
    Meaning("microsoft", "authentication", "over IPv6 without SPF or DKIM", "4.7.26"),
    Meaning("microsoft", "reputation", "suspicious activity, restricted for now", "4.7.500-699"),
    Meaning("microsoft", "reputation", "suspicious activity of the IP, restricted for now", "4.7.850-899"),
    Meaning("microsoft", "rate_limited", "the recipient's hourly limit for one sender", "5.2.121"),
    Meaning("microsoft", "rate_limited", "the recipient's hourly limit", "5.2.122"),
    Meaning("microsoft", "authentication", "SPF did not pass", "5.7.23"),
    Meaning("microsoft", "authentication", "the sending IPv6 address has no PTR record", "5.7.25"),
    Meaning("microsoft", "unknown_user", "the recipient's address is not valid", "5.7.504"),
    Meaning("microsoft", "unknown_user", "the recipient is not valid", "5.7.505"),
    Meaning("microsoft", "policy", "HELO with the receiver's own name", "5.7.506"),
    Meaning("microsoft", "policy", "the recipient's organisation blocks the IP", "5.7.507"),
    Meaning("microsoft", "rate_limited", "the IPv6 range is over its limit", "5.7.508"),
    Meaning("microsoft", "authentication", "DMARC did not pass and asks for rejection", "5.7.509"),
    Meaning("microsoft", "policy", "the recipient takes no mail over IPv6", "5.7.510"),
    Meaning("microsoft", "content", "no valid From: address", "5.7.512"),
    Meaning("yahoo", "reputation", "deferred for users' complaints", "TS01 IPTS04 IPTS05"),
    Meaning("yahoo", "reputation", "unusual traffic or users' complaints", "TS02"),
    Meaning("yahoo", "reputation", "all messages of the IP deferred for good", "TS03 TSS09 TSS11"),
    Meaning("yahoo", "reputation", "unexpected volume or users' complaints", "TSS04 TSS05"),
    Meaning("yahoo", "reputation", "Spamhaus lists the IP", "TSS07 BL21"),
    Meaning("yahoo", "reputation", "Spamhaus XBL lists the IP", "BL23"),
    Meaning("yahoo", "content", "content against policy (viruses, phishing, links)", "PH01"),
    Meaning("yahoo", "authentication", "the DKIM signature is not valid", "AU01"),
    Meaning("apple", "policy", "rejected by local policy", "CS01 CS02 HM08"),
    Meaning("apple", "authentication", "neither SPF nor DKIM passed", "HME1"),
    Meaning("orange", "reputation", "the IP is blocked for spam", "OFR_102"),
    Meaning("orange", "reputation", "service refused", "OFR_103"),
    Meaning("orange", "rate_limited", "too many connections", "OFR_104"),
    Meaning("orange", "policy", "the sender is not valid", "OFR_405 OFR_415"),
    Meaning("orange", "unknown_user", "the recipient is not valid", "OFR_416"),
    Meaning("orange", "mailbox_full", "the recipient's mailbox is full", "OFR_417"),
    Meaning("orange", "content", "the mail is taken for spam", "OFR_506"),
    Meaning("orange", "reputation", "the IP is refused for some hours", "OFR_999"),
    Meaning("gmx", "reputation", "the IP is on a block list", "r0201 bl"),
    Meaning("gmx", "authentication", "the sending IP has no valid PTR record", "rdns"),
    Meaning("gmx", "content", "a header of the message does not follow RFC 5322", "hi"),
    Meaning("gmx", "policy", "rejected by policy", "hd r0735 r1001"),
    Meaning("netease", "reputation", "too many unknown recipients from the IP", "HL:REP"),
    Meaning("netease", "reputation", "forged sender domains from the IP", "HL:MEP"),
    Meaning("netease", "rate_limited", "too many connections", "HL:ICC"),
    Meaning("netease", "rate_limited", "too many messages from the IP", "HL:IFC"),
    Meaning("netease", "rate_limited", "too many messages in one connection", "MI:DMC"),
    Meaning("netease", "rate_limited", "too many messages of the sender in 15 minutes", "MI:SFQ"),
    Meaning("netease", "reputation", "the IP is on a block list", "DT:RBL"),
    Meaning("netease", "content", "the mail looks like spam", "DT:SPM"),
    Meaning("netease", "rate_limited", "the IP sends too often", "HL:IHU"),
    Meaning("netease", "reputation", "the IP is on NetEase's block list", "HL:IPB"),
    Meaning("netease", "reputation", "the sending IP is blocked", "MI:IPB"),
    Meaning("netease", "reputation", "the IP is on a block list", "MI:RBL"),
    Meaning("netease", "authentication", "SPF did not pass", "MI:SPF"),
    Meaning("netease", "content", "the mail looks like spam", "MI:SPM"),
    Meaning("netease", "policy", "the sender is not the user that logged in", "MI:SUM"),
    Meaning("netease", "policy", "the sender is forged", "MI:SFK"),
    Meaning("netease", "policy", "relaying is forbidden", "RP:DRL"),
    Meaning("netease", "policy", "too many recipients of a message", "RP:RCL"),
    Meaning("netease", "rate_limited", "too many messages of the sender", "RP:TRC"),
    Meaning("netease", "mailbox_full", "the recipient's mailbox is full", "RP:UQT DT:UQT"),
    Meaning("netease", "size", "larger than the server takes", "RP:SMS DT:SMS"),
    Meaning("netease", "size", "larger than the recipient takes", "RP:UMS DT:UMS"),
    Meaning("netease", "other", "too many hops", "DT:MTH"),
    Meaning("netease", "content", "SURBL lists a link in the mail", "DT:SUR"),
    Meaning("netease", "policy", "the IP is not in the list of permitted senders", "WM:BLI"),
    Meaning("laposte", "reputation", "Spamhaus lists the IP", "LPN_101"),
    Meaning("laposte", "reputation", "a block list has the IP", "LPN_102"),
    Meaning("laposte", "rate_limited", "too many connections", "LPN_104"),
    Meaning("laposte", "authentication", "SPF did not pass", "LPN_401"),
    Meaning("laposte", "policy", "the sender is not valid", "LPN_405"),
    Meaning("laposte", "unknown_user", "the recipient is not valid", "LPN_416"),
    Meaning("laposte", "unknown_user", "the recipient's mailbox is archived", "LPN_420"),
    Meaning("laposte", "policy", "the sender is not the user that logged in", "LPN_421"),
    Meaning("laposte", "policy", "refused for content or policy", "LPN_510"),
    Meaning("laposte", "authentication", "DMARC did not pass", "LPN_517"),
    Meaning("sophos", "authentication", "no valid DKIM signature", "XGEMAIL_0001"),
    Meaning("sophos", "authentication", "SPF did not pass", "XGEMAIL_0002"),
    Meaning("sophos", "authentication", "DMARC did not pass", "XGEMAIL_0003"),
    Meaning("sophos", "reputation", "a block list has the sending IP", "XGEMAIL_0004"),
    Meaning("sophos", "reputation", "a block list has the sender's domain", "XGEMAIL_0005"),
    Meaning("sophos", "tls", "the TLS version is not permitted", "XGEMAIL_0006"),
    Meaning("sophos", "policy", "the administrator's own block list", "XGEMAIL_0008"),
    Meaning("sophos", "policy", "the recipient's own block list", "XGEMAIL_0009"),
    Meaning("sophos", "policy", "not a domain of Sophos Email", "XGEMAIL_0010"),
    Meaning("sophos", "unknown_user", "the recipient does not exist", "XGEMAIL_0011"),
    Meaning("sophos", "size", "larger than permitted", "XGEMAIL_0012"),
    Meaning("sophos", "policy", "too many recipients of a large message", "XGEMAIL_0013"),
    Meaning("sophos", "rate_limited", "the recipient's limit for one sender", "XGEMAIL_0014"),
    Meaning("sophos", "rate_limited", "the recipient's limit", "XGEMAIL_0015"),
)

BY_CODE: dict[str, Meaning] = {
    f"{meaning.provider} {code}": meaning for meaning in MEANINGS for code in meaning.codes.split()
}
"""By `provider code`."""
