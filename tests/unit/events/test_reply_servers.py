"""Replies of many servers and languages, labelled before the classifier read them (servers.tsv)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from collector.events.model.event import BounceKind, Reason
from collector.events.replies.status_codes import codes
from tests.unit.events.test_reply_rules import bounce

_FILE: Final = Path(__file__).parents[2] / "fixtures" / "replies" / "servers.tsv"
CASES: Final = [
    (Reason(reason), reply.replace("\\r\\n", "\r\n"))
    for reason, reply in (line.split("\t") for line in _FILE.read_text("utf-8").splitlines() if line[:1] != "#")
]
CATEGORIES: Final = {"4": "greylist", "5": "recipient"}
"""ZoneMTA's category for most replies of a class, which must not outweigh the words."""


@pytest.mark.parametrize("is_named", [False, True])
def test_a_reply_has_its_label(is_named: bool) -> None:
    """Each reply has the reason of its label, with no category and with ZoneMTA's usual one."""
    named = [(bounce(reply, CATEGORIES[reply[0]] if is_named else None), reason, reply) for reason, reply in CASES]
    assert [(reply, row.reason, reason) for row, reason, reply in named if row.reason is not reason] == []
    assert len(named) > 300


def test_only_a_permanent_reply_on_the_recipient_is_hard() -> None:
    """A bounce is hard if, and only if, the reply is 5xx and its label blames the recipient's address."""
    hard = [(reason, reply) for reason, reply in CASES if bounce(reply).bounce_kind is BounceKind.HARD]
    blamed = [(r, text) for r, text in CASES if r in {Reason.UNKNOWN_USER, Reason.DNS} and text[0] == "5"]
    assert hard == blamed


@pytest.mark.parametrize(
    "reply",
    [
        "535 5.7.8 {fault}",
        "535 {fault}",
        "534 5.7.9 {fault}",
        "550 5.7.10 {fault}",
        "550 5.7.26 {fault}",
        "550 5.4.7 {fault}",
        "550 5.1.8 {fault}",
    ],
)
@pytest.mark.parametrize("fault", ["user unknown", "account is locked", "no such user", "domain does not exist"])
def test_codes_that_blame_another_keep_a_bounce_from_being_hard(reply: str, fault: str) -> None:
    """A reply to AUTH, and a code that blames the sender, security or time, is never hard, whatever its words say."""
    assert bounce(reply.format(fault=fault)).bounce_kind is not BounceKind.HARD


def test_the_code_of_chkuser_is_read() -> None:
    """The plugin chkuser of qmail writes its name behind the enhanced code."""
    assert codes("511 sorry, can't find a valid MX for recipient domain (#5.1.2 - chkuser)") == (511, "5.1.2")
