"""The rules for replies, one by one and on labelled replies (docs/events.md, section 3)."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.events.model.event import BounceKind, MailEvent, Reason
from collector.events.replies.reason import BY_CATEGORY
from collector.events.replies.rules.order import DECIDED, WEAK
from tests.unit.events.entries import ACCEPTED, changed, row

if TYPE_CHECKING:
    from collector.events.replies.rules.rule import TextRule

LABELLED: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "fixtures" / "replies" / "labelled.jsonl").read_text().splitlines()
]


def bounce(reply: str, category: str | None = None, mx: str | None = None) -> MailEvent:
    """Return the row of a bounce with this reply."""
    return row(changed(ACCEPTED, action="REJECTED", response=reply, category=category or ..., mx=mx or ...))


@pytest.mark.parametrize("rule", [*DECIDED, *WEAK], ids=itertools.count())
def test_a_rule_decides_its_example(rule: TextRule) -> None:
    """Each rule decides its own example, and names its source."""
    assert bounce(rule.example).reason is rule.reason
    assert rule.source


def share(right: list[bool]) -> float:
    """Return the share of right answers."""
    return sum(right) / len(right)


def test_labelled_replies_are_read_as_their_labels_say() -> None:
    """Replies with labels from outside this project are classified as their labels say."""
    rows = [(case, bounce(case["reply"], case["category"], case["mx"])) for case in LABELLED]
    assert share([event.reason == case["reason"] for case, event in rows]) >= 0.95
    assert share([event.bounce_kind == case["kind"] for case, event in rows]) >= 0.98
    assert share([event.enhanced_code == case["enhanced"] for case, event in rows]) >= 0.98


def test_no_labelled_good_address_is_called_hard() -> None:
    """No labelled good address is classified as hard, which would remove it from every mailing list."""
    wrong = [
        case["reply"]
        for case in LABELLED
        if case["kind"] != "hard" and bounce(case["reply"], case["category"], case["mx"]).bounce_kind is BounceKind.HARD
    ]
    assert wrong == []


GOOD_ADDRESS: Final = [
    # The sender's address or domain.
    "Domain of sender address {a} does not exist",
    "<{a}>: Sender address rejected: User unknown in virtual mailbox table",
    "<{a}>: Sender address rejected: undeliverable address: host {h}[192.0.2.1] said: 550 User unknown",
    "<{a}>: Sender address rejected: Domain not found",
    "Sender address has null MX",
    "Sender domain does not exist",
    "Sending domain not found",
    "Unroutable sender address",
    "Verification failed for <{a}> Unrouteable address Sender verify failed",
    "Could not verify sender <{a}>: no such user",
    "MAIL FROM domain does not exist",
    "Return-Path address does not exist",
    "Envelope-from address is invalid",
    "The originator address does not exist",
    "Invalid sender: no such user {a}",
    "The sender's mailbox is unknown",
    "sorry, your envelope sender domain must exist",
    "Sender is not listed in our directory",
    "Verify your sender address: no such user at {h}",
    "your account has been suspended",
    "your domain does not exist",
    "Expéditeur inconnu",
    "L'adresse de l'expéditeur n'existe pas",
    "Absender unbekannt",
    "Die Absenderadresse existiert nicht",
    "Mittente sconosciuto",
    "Remitente desconocido",
    "Remetente desconhecido",
    "Nadawca nieznany",
    "Afzender onbekend",
    "Отправитель не найден",
    # HELO.
    "<{h}>: Helo command rejected: Host not found",
    "Invalid HELO name, host unknown",
    "EHLO {h}: no such domain",
    # Relaying, a closed group.
    "sorry, that domain isn't in my list of allowed rcpthosts",
    "Relay access denied",
    "Relaying to unknown user {a} denied",
    "we do not relay",
    "Unable to relay recipient in non-accepted domain",
    "RESOLVER.RST.SenderNotAuthenticatedForMailbox; authentication required; no such sender",
    # Rates.
    "{a} has sent to too many recipients this hour",
    "too many messages from invalid users",
    "Too many unknown RCPT TO addresses from host 192.0.2.1",
    "Too many connections, user not available",
    "Rate limit exceeded for unknown recipients",
    # A server in trouble.
    "unknown mailer error 255",
    "Internal server error: user not found in cache",
    "Temporary lookup failure: recipient not available",
    "Too many hops, address not found",
    "mailbox is being moved, try again later",
    "user mailbox is locked by another process",
    "mailbox disabled for maintenance",
    "user lookup failed: database not available",
    "RESOLVER.ADR.BadPrimary; recipient primary SMTP address is missing or invalid",
    "User {a} temporary locked. Please try again later!",
    "<{a}>: Recipient address rejected: mailbox temporarily disabled",
    "sorry, this mailbox is currently disabled, try again later",
    # The recipient's own choice, or a bounce.
    "Recipient has disabled mail from you",
    "user has blocked your address",
    "Refused due to recipient preferences",
    "Rule imposed mailbox access for {a} refused: user invalid",
    "Your IP or Email address blocked by the Filter User",
    "bounce to nonexistent user not accepted",
    "invalid addresses in the To header",
    # "Your account" in other languages.
    "Votre domaine n'existe pas",
    "Su dominio no existe",
    "Ihr Konto wurde gesperrt",
    "Twoja domena nie istnieje",
    "Ваш аккаунт заблокирован",
]


@given(
    code=st.sampled_from(["550", "551", "552", "553", "554", "521", "541"]),
    enhanced=st.none() | st.tuples(st.integers(0, 7), st.integers(0, 30)).map(lambda pair: f"5.{pair[0]}.{pair[1]}"),
    fault=st.sampled_from(GOOD_ADDRESS),
    tail=st.sampled_from(["", ".", " (in reply to RCPT TO command)", " see https://help.example/x", "\r\n550 bye"]),
    category=st.sampled_from([None, *BY_CATEGORY, "recipient", "capacity", "config", "network"]),
)
def test_a_fault_that_is_not_the_recipients_never_makes_a_bounce_hard(
    code: str, enhanced: str | None, fault: str, tail: str, category: str | None
) -> None:
    """A fault that is not the recipient's never makes a bounce hard, whatever codes the reply has."""
    words = fault.format(a="news@shop.example", h="mail.shop.example")
    reply = " ".join([part for part in (code, enhanced, words) if part]) + tail
    event = bounce(reply, category)
    assert event.bounce_kind is not BounceKind.HARD, (event.reason, reply)


def test_codes_that_say_little_decide_nothing() -> None:
    """Codes for "other or undefined" (RFC 3463), and categories that restate them, decide nothing."""
    for code, category in itertools.product(
        ("5.2.0", "5.3.0", "5.3.2", "5.2.4", "5.1.5", "5.1.9", "5.3.1", "5.3.5", "5.5.0", "5.4.0", "5.4.5", "5.4.6"),
        ("recipient", "capacity", "config", "network", "message", None),
    ):
        assert bounce(f"550 {code}", category).reason is Reason.OTHER, (code, category)
