"""Replies: codes, reasons, providers' codes and patterns (docs/events.md, sections 2 to 4)."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from collector.events.model.event import Action, BounceKind, Provider, Reason
from collector.events.replies import provider as providers
from collector.events.replies.pattern import _PARTS, READ_CHARACTERS, response_pattern
from collector.events.replies.provider_codes import SIGNALS, Signal, signal_of
from collector.events.replies.reason import (
    BLOCKLISTS,
    BY_CATEGORY,
    BY_ENHANCED_CODE,
    BY_ENHANCED_CODE_4,
    BY_ENHANCED_CODE_5,
    TEXT_RULES,
    bounce_kind,
)
from collector.events.replies.status_codes import codes
from tests.unit.events.entries import ACCEPTED, changed, recording, row

CODES: dict[str, tuple[int | None, str | None]] = {
    "250 2.0.0 Ok": (250, "2.0.0"),
    "550-5.1.1 The email": (550, "5.1.1"),
    "550 #5.1.0 Address rejected": (550, "5.1.0"),
    "421": (421, None),
    "421 4.7.0": (421, "4.7.0"),
    "550  5.7.606 banned": (550, "5.7.606"),
    "550 5.1.1: no": (550, "5.1.1"),
    "550 5.1.1. no": (550, "5.1.1"),
    "550 5.1.1.1 an address": (550, None),
    "550 5.1.1234 too long": (550, None),
    "550 3.1.1 no class": (550, None),
    "550 see 5.1.1": (550, None),
    "199 low": (None, None),
    "600 high": (None, None),
    "5500 four digits": (None, None),
    "550: a colon": (None, None),
    " 550 indented": (None, None),
    "\u0665\u0665\u0660 digits of another script": (None, None),
    "Network error: 550 5.1.1": (None, None),
    "": (None, None),
}


@pytest.mark.parametrize(("reply", "expected"), CODES.items())
def test_the_codes_stand_at_the_head(reply: str, expected: tuple[int | None, str | None]) -> None:
    """The code (200 to 599, before a space, `-` or the end) and the enhanced code after it are read."""
    assert codes(reply) == expected


ANCHORS: list[tuple[str, str, Reason]] = [
    ("450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
        "recipient", Reason.RATE_LIMITED),
    ("451 4.3.2 Please try again later", "greylist", Reason.GREYLISTED),
    ("451 4.3.0 Local problem, queue file write error", "capacity", Reason.OTHER),
    ("421 4.7.0 Too many concurrent SMTP connections from your IP, try again later", "greylist", Reason.RATE_LIMITED),
    ("451 4.7.1 Greylisting in action, please come back later", "greylist", Reason.GREYLISTED),
    ("550 5.1.1 The email account that you tried to reach does not exist. Please try", "recipient",
        Reason.UNKNOWN_USER),
    ("554 5.7.1 Service unavailable; Client host [127.0.0.2] blocked using zen.spamhaus.org; listed", "blacklist",
        Reason.REPUTATION),
    ("552 5.2.2 The email account that you tried to reach is over quota; mailbox full", "capacity",
        Reason.MAILBOX_FULL),
    ("554 5.7.1 [CS] Message blocked due to spam content. Please visit https://support.example/spam", "block",
        Reason.CONTENT),
    ("550 5.7.1 Relaying denied", "block", Reason.POLICY),
    ("Network error: Error connecting to 127.0.0.1. Greeting never received", "network", Reason.CONNECTION),
    ("DNS Error: DNS error occurred while resolving the Mail Exchange (MX) server (nodns.example)", "dns", Reason.DNS),
    ("404 Upload failed. Received 6 B response", "http", Reason.OTHER),
]  # fmt: skip

# Replies in the senders' wordings: ZoneMTA's bounces.txt, Google, Microsoft, Postfix, GoDaddy, Mimecast, QQ.
REPLIES: list[tuple[str, str, Reason]] = [
    # greylisted
    ("450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted, see http://postgrey.example/help", "greylist",
        Reason.GREYLISTED),
    ("421 4.7.1 Service unavailable; Client host [192.0.2.1] blocked using grey.rbl - Greylisting in action",
        "greylist", Reason.GREYLISTED),
    # reputation
    ("550 192.0.2.1 listed at spamhaus, see http://www.spamhaus.org", "blacklist", Reason.REPUTATION),
    ("550 https://www.spamhaus.org/query/ip/192.0.2.1", "blacklist", Reason.REPUTATION),
    ("554 5.7.1 Blocked - see http://www.spamhaus.org/query/bl?ip=192.0.2.1", "blacklist", Reason.REPUTATION),
    (("550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Part of their network is on our block list "
        "(S3150)"), "blacklist", Reason.REPUTATION),
    ("451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.", "policy",
        Reason.REPUTATION),
    ("554-mx.example.com Your access to this mail system has been rejected due to the sending MTA's poor reputation",
        "blacklist", Reason.REPUTATION),
    ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
        "spam", Reason.REPUTATION),
    ("553 5.7.2 [TSS09] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed.", "other",
        Reason.REPUTATION),
    ("554 IB103. Connection refused. 192.0.2.1 has a poor reputation on Cloudmark Sender Intelligence (CSI).", "other",
        Reason.REPUTATION),
    ("421 4.7.0 This message is suspicious due to the very low reputation of the sending domain.", "policy",
        Reason.REPUTATION),
    ("550 5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal", "blacklist", Reason.REPUTATION),
    ("550 Black listed at hostkarma http://ipadmin.junkemailfilter.com/remove.php?ip=192.0.2.1", "blacklist",
        Reason.REPUTATION),
    # rate limited
    ("421 4.7.28 Gmail has detected an unusual rate of unsolicited email originating from your IP address.", "policy",
        Reason.RATE_LIMITED),
    ("421 Connection refused, too many sessions from 192.0.2.1. IB007", "other", Reason.RATE_LIMITED),
    ("450 4.2.1 The user you are trying to contact is receiving email too quickly.", "recipient", Reason.RATE_LIMITED),
    ("421 4.7.1 Messages to a@icloud.com deferred due to excessive volume. Try again later", "greylist",
        Reason.RATE_LIMITED),
    ("550 5.4.5 Daily user sending limit exceeded.", "network", Reason.RATE_LIMITED),
    ("550 5.4.7 <a@b.example>: Recipient address rejected: Recipients Domain Hourly Quota Exceeded", "network",
        Reason.RATE_LIMITED),
    ("450 Domain frequency limited", "recipient", Reason.RATE_LIMITED),
    # mailbox full
    ("452 4.2.2 The recipient's inbox is out of storage space.", "capacity", Reason.MAILBOX_FULL),
    ("552 5.2.2 <a@icloud.com>: user is over quota", "capacity", Reason.MAILBOX_FULL),
    ("552 Requested mail action aborted: exceeded storage allocation", "capacity", Reason.MAILBOX_FULL),
    ("552 5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]", "envelope", Reason.MAILBOX_FULL),
    # size
    ("552 5.3.4 Your message exceeded Google's message size limits.", "message", Reason.SIZE),
    ("552 5.3.4 Message size exceeds fixed limit", "message", Reason.SIZE),
    ("554 maximum email size exceeded: message too large", "other", Reason.SIZE),
    # unknown user
    ("550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in virtual mailbox table", "recipient",
        Reason.UNKNOWN_USER),
    ("554 delivery error: dd This user doesn't have a yahoo.com account (a@yahoo.com) [-5]", "recipient",
        Reason.UNKNOWN_USER),
    ("550 5.2.1 The email account that you tried to reach is inactive.", "capacity", Reason.UNKNOWN_USER),
    ("550 Requested action not taken: mailbox unavailable", "recipient", Reason.UNKNOWN_USER),
    ("550 5.4.1 [a@b.example]: Recipient address rejected: Access denied. AS(201806281)", "recipient",
        Reason.UNKNOWN_USER),
    ("550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]", "recipient",
        Reason.UNKNOWN_USER),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient a@b.example not found by SMTP address lookup", "recipient",
        Reason.UNKNOWN_USER),
    ("550 No such user here", "recipient", Reason.UNKNOWN_USER),
    ("551 5.1.6 moved", "recipient", Reason.UNKNOWN_USER),
    # authentication
    ("550 5.7.26 Unauthenticated email from shop.example is not accepted due to domain's DMARC policy.", "policy",
        Reason.AUTHENTICATION),
    ("550 5.7.1 Email rejected per SPF policy", "block", Reason.AUTHENTICATION),
    ("450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]", "block", Reason.AUTHENTICATION),
    ("550 5.7.20 no words for it", "other", Reason.AUTHENTICATION),
    # TLS
    ("421 4.7.0 TLS required for RCPT domain, closing connection.", "config", Reason.TLS),
    ("530 5.7.0 Must issue a STARTTLS command first", "auth", Reason.TLS),
    # content
    ("550 5.7.1 Our system has detected that this message is likely unsolicited mail.", "spam", Reason.CONTENT),
    ("552 5.7.0 This message was blocked because its content presents a potential security issue.", "virus",
        Reason.CONTENT),
    ("554 5.7.1 Message blocked using multi.uribl.com: URIBL", "spam", Reason.CONTENT),
    ("550 5.7.1 This message is not RFC 5322 compliant because it has duplicate headers.", "message", Reason.CONTENT),
    # policy
    ("554 5.7.1 <a@b.example>: Relay access denied", "block", Reason.POLICY),
    ("550 5.7.1 [CS01] Message rejected due to local policy.", "block", Reason.POLICY),
    ("550 5.1.8 <a@b.example>: Sender address rejected: Domain not found", "config", Reason.POLICY),
    ("550 5.7.1 Blacklisted by recipient", "block", Reason.POLICY),
    # dns, connection, expired
    ("556 5.1.10 Recipient address has null MX", "other", Reason.DNS),
    ("451 4.4.2 Timeout - closing connection.", "network", Reason.CONNECTION),
    ("Network error: Network error when connecting to MX server mx.spamhaus.org for spamhaus.org: Connection refused",
        "network", Reason.CONNECTION),
    ("550 4.4.7 Message expired", "network", Reason.EXPIRED),
    ("550 5.4.7 gone", "network", Reason.EXPIRED),
    # nothing but the category: `recipient`, `capacity` and `config` only restate a code
    ("550 no", "recipient", Reason.OTHER),
    ("450 no", "recipient", Reason.OTHER),
    ("552 no", "capacity", Reason.OTHER),
    ("452 no", "capacity", Reason.OTHER),
    ("550 5.3.5 no", "config", Reason.OTHER),
    ("550 5.4.6", "network", Reason.OTHER),
    ("550 5.7.5", "message", Reason.OTHER),
    ("550 you are on it", "blacklist", Reason.REPUTATION),
    ("550 no", "something new", Reason.OTHER),
    ("", "network", Reason.CONNECTION),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "category", "reason"), [*ANCHORS, *REPLIES], ids=itertools.count())
def test_replies_have_the_reason_that_their_words_say(reply: str, category: str, reason: Reason) -> None:
    """Examples of docs/events.md, section 3, and real replies have the reason of their words."""
    event = row(changed(ACCEPTED, action="DEFERRED", response=reply, category=category))
    assert event.reason is reason
    assert event.bounce_kind is None


@pytest.mark.parametrize(
    "word", ["QUEUED", "ACCEPTED", "DROP", "NOQUEUE", "DELETED", "QUEUE_BOUNCE", "SPAMCHECK", "NEW"]
)
def test_only_failures_have_a_reason(word: str) -> None:
    """Only deferred and bounced events have a reason."""
    event = row(changed(ACCEPTED, action=word, mx="mx.l.google.com", response="550 5.7.26 spam", category="spam"))
    assert (event.reason, event.bounce_kind, event.provider_code) == (None, None, None)


@pytest.mark.parametrize("fields", [{}, {"response": 5}, {"response": None, "category": 7}])
def test_a_failure_without_a_reply_is_other(fields: dict[str, Any]) -> None:
    """A failure without a reply has the reason `other`."""
    assert row({"id": "q", "seq": "1", "action": "REJECTED", **fields}).reason is Reason.OTHER


KINDS: list[tuple[int | None, Reason, BounceKind]] = [
    (450, Reason.UNKNOWN_USER, BounceKind.EXPIRED),
    (421, Reason.RATE_LIMITED, BounceKind.EXPIRED),
    (None, Reason.CONNECTION, BounceKind.EXPIRED),
    (550, Reason.CONNECTION, BounceKind.SOFT),
    (550, Reason.EXPIRED, BounceKind.EXPIRED),
    (None, Reason.EXPIRED, BounceKind.EXPIRED),
    (550, Reason.UNKNOWN_USER, BounceKind.HARD),
    (None, Reason.DNS, BounceKind.HARD),
    (550, Reason.POLICY, BounceKind.SOFT),
    (None, Reason.OTHER, BounceKind.SOFT),
]


@pytest.mark.parametrize(("code", "reason", "kind"), KINDS)
def test_a_bounce_is_hard_soft_or_expired(code: int | None, reason: Reason, kind: BounceKind) -> None:
    """A bounce is hard, soft or expired (docs/events.md, section 3)."""
    assert bounce_kind(code, reason) is kind


def test_only_bounces_have_a_kind() -> None:
    """Only bounces have a kind."""
    fields = {"response": "550 5.1.1 User unknown", "category": "recipient"}
    assert row(changed(ACCEPTED, action="REJECTED", **fields)).bounce_kind is BounceKind.HARD
    assert row(changed(ACCEPTED, action="DEFERRED", **fields)).bounce_kind is None


def test_an_http_404_is_no_expired_reply() -> None:
    """`404 Upload failed` of HTTP has no SMTP code and is not expired."""
    fields = {"protocol": "http", "response": "404 Upload failed", "category": "http"}
    event = row(changed(ACCEPTED, action="REJECTED", **fields))
    assert (event.smtp_code, event.reason, event.bounce_kind) == (None, Reason.OTHER, BounceKind.SOFT)


SIGNAL_REPLIES: list[tuple[Provider, str, str | None, Reason]] = [
    (Provider.GOOGLE, "421-4.7.28 Gmail has detected an unusual rate of email originating from your IP", "4.7.28",
        Reason.RATE_LIMITED),
    (Provider.GOOGLE, "550 5.7.26 Your email has been blocked because the sender is unauthenticated", "5.7.26",
        Reason.AUTHENTICATION),
    (Provider.GOOGLE, "550 5.7.1 likely unsolicited mail", None, Reason.CONTENT),
    (Provider.MICROSOFT, "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. (S3150). You can", "S3150",
        Reason.REPUTATION),
    (Provider.MICROSOFT,
        "451 4.7.650 temporarily rate limited due to IP reputation. See https://postmaster.live.com (S775) [x]", "S775",
        Reason.REPUTATION),
    (Provider.MICROSOFT, "451 4.7.650 temporarily rate limited due to IP reputation", "4.7.500-699", Reason.REPUTATION),
    (Provider.MICROSOFT, "550 5.7.606 Access denied, banned sending IP [192.0.2.1] (AS16012609)", "AS16012609",
        Reason.REPUTATION),
    (Provider.MICROSOFT, "550 5.7.649 Access denied, banned sending IP [192.0.2.1]", "5.7.606-649", Reason.REPUTATION),
    (Provider.MICROSOFT, "550 5.7.650 Access denied", None, Reason.POLICY),
    (Provider.MICROSOFT, "550 5.7.511 Access denied, banned sender[192.0.2.1]", "5.7.511", Reason.REPUTATION),
    (Provider.MICROSOFT, "550 5.7.515 Access denied, sending domain shop.example does not meet", "5.7.515",
        Reason.AUTHENTICATION),
    (Provider.MICROSOFT, "550 SC-004 (COL004) Unfortunately, messages", "SC-004", Reason.REPUTATION),
    (Provider.MICROSOFT, "421 RP-001 The mail server IP has exceeded the rate limit", "RP-001", Reason.RATE_LIMITED),
    (Provider.YAHOO, "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", "TSS04", Reason.REPUTATION),
    (Provider.YAHOO, "554 Message not allowed - [PH01] Email not accepted for policy reasons.", "PH01", Reason.CONTENT),
    (Provider.YAHOO, "554 5.7.5 (AU01) DKIM", "AU01", Reason.AUTHENTICATION),
    (Provider.YAHOO, "421 4.7.0 [ZZ99] Messages", None, Reason.OTHER),
    (Provider.APPLE, "550 5.7.1 [CS01] Message rejected due to local policy.", "CS01", Reason.POLICY),
    (Provider.APPLE, "554 5.7.1 [HME1] This message was blocked", "HME1", Reason.AUTHENTICATION),
    (Provider.ORANGE, "550 5.2.0 Mail rejete. Mail rejected. ofr_506 [506]", "OFR_506", Reason.CONTENT),
    (Provider.ORANGE, "421 mwinf5c79 ME Trop de connexions. Too many connections, slow down. OFR005_104 [104]",
        "OFR_104", Reason.RATE_LIMITED),
    (Provider.GMX, "554 For explanation visit https://postmaster.gmx.net/en/case?c=r0201&i=ip&v=192.0.2.1", "r0201",
        Reason.REPUTATION),
    (Provider.NETEASE, "451 DT:SPM ,please try again", "DT:SPM", Reason.CONTENT),
    (Provider.NETEASE, "552 RP:UQT 163 mx12,abc", "RP:UQT", Reason.MAILBOX_FULL),
    (Provider.NETEASE, "554 HL:IPB 163 mx14,abc", "HL:IPB", Reason.REPUTATION),
    (Provider.NETEASE, "553 RP:RDN 163 mx12,abc", None, Reason.OTHER),
    (Provider.LAPOSTE, "550 5.5.0 Boite du destinataire archivee. Archived recipient. LPN007_420", "LPN_420",
        Reason.UNKNOWN_USER),
    (Provider.LAPOSTE, "550 5.7.1 Service refuse. service refused, please try later. LPN007_510", "LPN_510",
        Reason.POLICY),
    (Provider.SOPHOS, "550 5.7.1 XGEMAIL_0011 Command rejected", "XGEMAIL_0011", Reason.UNKNOWN_USER),
    (Provider.SOPHOS, "550 5.7.1 XGEMAIL_0007 Command rejected", None, Reason.OTHER),
    (Provider.OTHER, "550 5.7.26 (S3150) [TSS04]", None, Reason.AUTHENTICATION),
]  # fmt: skip
MX = {
    Provider.GOOGLE: "aspmx.l.google.com",
    Provider.MICROSOFT: "hotmail-com.olc.protection.outlook.com",
    Provider.YAHOO: "mta5.am0.yahoodns.net",
    Provider.APPLE: "mx01.mail.icloud.com",
    Provider.ORANGE: "smtp-in.orange.fr",
    Provider.GMX: "mx00.emig.gmx.net",
    Provider.NETEASE: "163mx01.mxmail.netease.com",
    Provider.LAPOSTE: "smtpz4.laposte.net",
    Provider.SOPHOS: "mx-01-eu-west-1.prod.hydra.sophos.com",
    Provider.OTHER: "gmail-smtp-in.l.gmail.example",
}


@pytest.mark.parametrize(("provider", "reply", "code", "reason"), SIGNAL_REPLIES, ids=itertools.count())
def test_a_providers_own_code_is_found_in_its_own_replies(
    provider: Provider, reply: str, code: str | None, reason: Reason
) -> None:
    """A provider code decides the reason, and counts only if the MX is that provider's."""
    event = row(changed(ACCEPTED, action="REJECTED", mx=MX[provider], response=reply, category=...))
    assert (event.provider, event.provider_code, event.reason) == (provider, code, reason)


def written(code: str, provider: Provider) -> str:
    """Return a reply with the code in its provider's form."""
    if re.fullmatch(r"[45]\.\d\.\d+(-\d+)?", code):
        return f"{code[0]}50 {code.partition('-')[0]} text"
    if provider is Provider.MICROSOFT and "-" not in code:
        return f"550 5.7.1 text ({code})"
    if provider in (Provider.YAHOO, Provider.APPLE):
        return f"550 5.7.1 [{code}] text"
    return f"554 https://postmaster.example/case?c={code}&i=ip" if provider is Provider.GMX else f"550 {code} text"


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: f"{signal.provider}-{signal.code}")
def test_every_row_of_the_table_can_be_found(signal: Signal) -> None:
    """Every provider code can be found in a reply, and names its page and meaning."""
    reply = written(signal.code, signal.provider)
    found = signal_of(reply, codes(reply)[1], signal.provider)
    assert found is signal
    assert signal.meaning
    assert signal.page
    assert signal_of(reply, codes(reply)[1], Provider.OTHER) is None
    assert signal_of(reply, codes(reply)[1], None) is None


def test_the_table_has_each_code_once() -> None:
    """The table has each code once, because codes are a metric's label."""
    assert len({(row.provider, row.code) for row in SIGNALS}) == len(SIGNALS)


def test_every_rule_names_its_source_and_every_reason_can_come_out() -> None:
    """Every rule names its source, and every reason has a rule."""
    assert all(rule.source for rule in TEXT_RULES)
    assert all(
        source for _, source in [*BY_ENHANCED_CODE.values(), *BY_ENHANCED_CODE_4.values(), *BY_ENHANCED_CODE_5.values()]
    )
    reasons = {rule.reason for rule in TEXT_RULES} | {reason for reason, _ in BY_ENHANCED_CODE.values()}
    assert reasons | {*BY_CATEGORY.values()} == set(Reason)
    assert all(name == name.lower() for name in BLOCKLISTS)


PROVIDERS: dict[str, Provider] = {
    "gmail-smtp-in.l.google.com": Provider.GOOGLE,
    "google.com": Provider.GOOGLE,
    "smtp.google.com": Provider.GOOGLE,
    "aspmx2.googlemail.com": Provider.GOOGLE,
    "shop-example.mail.protection.outlook.com": Provider.MICROSOFT,
    "hotmail-com.olc.protection.outlook.com": Provider.MICROSOFT,
    "shop-example.k-v1.mx.microsoft": Provider.MICROSOFT,
    "mta5.am0.yahoodns.net": Provider.YAHOO,
    "mx01.mail.icloud.com": Provider.APPLE,
    "mx00.gmx.net": Provider.GMX,
    "mx-ha02.web.de": Provider.GMX,
    "mailsec.protonmail.ch": Provider.PROTON,
    "mx.zoho.eu": Provider.ZOHO,
    "in1-smtp.messagingengine.com": Provider.FASTMAIL,
    "mx.yandex.ru": Provider.YANDEX,
    "mxs.mail.ru": Provider.MAILRU,
    "163mx01.mxmail.netease.com": Provider.NETEASE,
    "mxbiz1.qq.com": Provider.TENCENT,
    "smtp-in.orange.fr": Provider.ORANGE,
    "eu-smtp-inbound-1.mimecast.com": Provider.MIMECAST,
    "mx0a-00123401.pphosted.com": Provider.PROOFPOINT,
    "gmail-smtp-in.l.gmail.example": Provider.OTHER,
    "outlook-example.mail.protection.outlook.example": Provider.OTHER,
    "notgoogle.com": Provider.OTHER,
    "google.com.evil.example": Provider.OTHER,
    "com": Provider.OTHER,
    "." * 300 + "google.com": Provider.OTHER,
}


@pytest.mark.parametrize(("mx", "provider"), PROVIDERS.items())
def test_an_mx_belongs_to_the_domain_that_it_ends_in(mx: str, provider: Provider) -> None:
    """An MX belongs to the provider whose domain it ends in, by whole labels only."""
    assert providers.provider_of(mx) is provider


@pytest.mark.parametrize(("domain", "provider"), providers.SUFFIXES.items())
def test_each_domain_of_the_table_leads_to_its_provider(domain: str, provider: Provider) -> None:
    """A domain of the table and the hosts below it belong to the row's provider."""
    assert providers.provider_of(domain) is provider
    assert providers.provider_of(f"mx1.{domain}") is provider


def test_every_provider_has_an_mx() -> None:
    """Every provider has at least one MX domain."""
    assert {*providers.SUFFIXES.values(), Provider.OTHER} == set(Provider)


def test_the_recordings_look_alikes_are_other() -> None:
    """Hosts of the recording that resemble large providers are `other`."""
    assert {row(line["entry"]).provider for line in recording()} <= {None, Provider.OTHER}


PATTERNS: dict[str, str] = {
    "250 2.0.0 Ok: queued as 99E119569C": "250 2.0.0 Ok: queued as <id>",
    "250 2.0.0 Ok: queued as ABCD": "250 2.0.0 Ok: queued as <id>",
    "250 Ok: Queued as 12345.": "250 Ok: queued as <id>.",
    "250 queued as <a.b@c.example>": "250 queued as <id>",
    "250 ok id=1rXyZk-0001Ab-Cd": "250 ok id=<id>",
    "250 ok (ID=7)": "250 ok (ID=<id>)",
    "550-5.1.1 The user <a+b@c-d.example> does not exist": "550 5.1.1 The user <<addr>> does not exist",
    "550 5.1.1 a@[192.0.2.1]: no": "550 5.1.1 <addr>: no",
    "550 a@b: no": "550 <addr>: no",
    "550 see https://x.example/y?z=1. Bye": "550 see <url>. Bye",
    "550 see (http://x.example/y)": "550 see (<url>)",
    "550 [192.0.2.1] blocked": "550 [<ip>] blocked",
    "550 192.0.2.1: blocked": "550 <ip>: blocked",
    "550 [2001:db8::1] and ::1 and 2001:db8:0:1:2:3:4:5": "550 [<ip>] and <ip> and <ip>",
    "550 ::ffff:192.0.2.1 no": "550 <ip> no",
    "550 <rene\u0301@x.example> unknown": "550 <<addr>> unknown",
    "550 राम@डाटामेल.भारत, ทดสอบ@ตัวอย่าง.ไทย": "550 <addr>, <addr>",
    "550 jane\u2603@x.example is \U0001f986@x.example": "550 <addr> is <addr>",
    "550 “jane@x.example” «bob@x.example» \uff08eve@x.example\uff09": "550 “<addr>” «<addr>» \uff08<addr>\uff09",
    '550 "jane doe"@x.example, "johndoe"@x.example': "550 <addr>, <addr>",
    '550 say "no" to <"j\\"d"@x.example>': '550 say "no" to <<addr>>',
    "550 at 12:30:45 it was": "550 at #:#:# it was",
    "550 version 1.2.3 is old": "550 version #.#.# is old",
    "450 mx-1.example.com said no": "450 <host> said no",
    "450 bücher.example said no": "450 <host> said no",
    "450 mx.example.com[192.0.2.1]:25 said": "450 <host>[<ip>]:# said",
    "450 d2si123.45 - gsmtp": "450 <host> - gsmtp",
    "450 abc12 ab1 1234567 12345678 deadbeef decade": "450 <id> ab# # <id> <id> decade",
    "450 5e520249-170f-ba60-b625-2eb4fc37a8c8": "450 <id>",
    "450  two\r\n450-lines\tof  text ": "450 two lines of text",
    "Network error: Error connecting to 127.0.0.1. Unexpected socket close": (
        "Network error: Error connecting to <ip>. Unexpected socket close"
    ),
    "404 Upload failed. Received 6 B response": "404 Upload failed. Received # B response",
    "550": "550",
    "550 5.7.1": "550 5.7.1",
    "550 5.7.1 550-5.7.1 again": "550 5.7.1 again",
    "550 5.5.0 Invalid recipient. LPN007_416": "550 5.5.0 Invalid recipient. LPN_416",
    "550 5.7.1 XGEMAIL_0011 Command rejected": "550 5.7.1 XGEMAIL_0011 Command rejected",
}


@pytest.mark.parametrize(("reply", "pattern"), PATTERNS.items())
def test_the_variable_parts_of_a_reply_are_replaced(reply: str, pattern: str) -> None:
    """The variable parts of a reply are replaced (docs/events.md, section 4)."""
    assert response_pattern(reply) == pattern
    assert row(changed(ACCEPTED, response=reply)).response_pattern == pattern


def test_a_pattern_is_cut_at_200_characters() -> None:
    """A pattern is cut at 200 characters."""
    assert row(changed(ACCEPTED, response="550 " + "word " * 100)).response_pattern == ("550 " + "word " * 100)[:200]


def test_the_pattern_of_a_pattern_is_itself() -> None:
    """The pattern of a pattern is itself, over the recording."""
    for line in recording():
        response = line["entry"].get("response")
        if response:
            pattern = response_pattern(response)
            assert response_pattern(pattern) == pattern


def test_the_recording_has_few_patterns() -> None:
    """The 1,049 replies of the recording have 18 patterns."""
    replies = [line["entry"]["response"] for line in recording() if "response" in line["entry"]]
    assert len(replies) == 1049
    assert len({response_pattern(reply) for reply in replies}) <= 20


HOSTILE = [
    "a" * 100_000,
    "1" * 100_000,
    "a1" * 50_000,
    "a." * 50_000,
    "a@" * 50_000,
    "@" * 100_000,
    "1." * 50_000,
    ":" * 100_000,
    "1:" * 50_000,
    "http://" * 20_000,
    "http://" + "." * 100_000,
    "id=" * 30_000,
    "queued as " * 10_000,
    "550 " + "too many " * 10_000,
    "550 " + "mailbox " * 10_000,
    "550 " + "message " * 10_000,
    "550 " + "user a " * 10_000,
    "(S" * 50_000,
    '"' * 100_000,
    '"\\' * 50_000,
    "\u0660" * 100_000,
]


@pytest.mark.parametrize("reply", HOSTILE, ids=lambda reply: reply[:12])
def test_a_hostile_reply_is_looked_at_no_further_than_its_first_characters(reply: str) -> None:
    """Of a long reply only the first characters are read, so its rest changes nothing."""
    near = row(changed(ACCEPTED, action="REJECTED", mx=MX[Provider.MICROSOFT], response=reply))
    far = row(changed(ACCEPTED, action="REJECTED", mx=MX[Provider.MICROSOFT], response=reply + " x@y.example" * 10_000))
    cut_reply = row(changed(ACCEPTED, action="REJECTED", mx=MX[Provider.MICROSOFT], response=reply[:READ_CHARACTERS]))
    for column in ("smtp_code", "enhanced_code", "reason", "bounce_kind", "provider_code", "response_pattern"):
        assert getattr(near, column) == getattr(far, column) == getattr(cut_reply, column)
    assert near.action is Action.BOUNCED


def test_no_pattern_repeats_without_bound_around_a_repeat() -> None:
    """No regular expression has a form with quadratic time or worse: `.*` in a search, or a nested repeat."""
    sources = [rule.pattern.pattern for rule in TEXT_RULES]
    assert not [source for source in sources if re.search(r"\.[*+]|\)[*+](?!\+)|\\w\*|\\s\*", source)]
    assert r".*" not in _PARTS.pattern
