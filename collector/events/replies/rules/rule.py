"""A rule on the text of a reply: the words that give a reason, where they are written down, and an example.

The rules are data, in four modules by subject: `recipient.py`, `sender.py`, `message.py`
and `server.py`. `order.py` fixes their order, `../reason.py` applies them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collector.events.model.event import Reason

BOUNCES: Final = "ZoneMTA config/bounces.txt"
COMCAST: Final = "postmaster.comcast.net/smtp-error-codes.php"
EXCHANGE: Final = "learn.microsoft.com: non-delivery reports in Exchange Online"
EXIM: Final = "Exim specification, ACLs"
GMAIL: Final = "support.google.com/a/answer/3726730"
GMX: Final = "postmaster.gmx.com/en/error-messages"
LABELLED: Final = "tests/fixtures/replies/labelled.jsonl"
MIMECAST: Final = "mimecastsupport.zendesk.com: Mimecast SMTP error codes"
POSTFIX: Final = "Postfix smtpd(8)"
QQ: Final = "service.exmail.qq.com: returned mail"
RFC5321: Final = "RFC 5321, 4.2"
SENDMAIL: Final = "sendmail cf/README"
TONLINE: Final = "postmaster.t-online.de"
TREND: Final = "success.trendmicro.com: mail blocked by Email Security"

NEAR: Final = r"[^.;]{0,60}"
"""Up to 60 characters of the same clause."""


class TextRule(NamedTuple):
    """Words that give a reason. `example` is a reply that this rule decides, and no rule before it."""

    reason: Reason
    pattern: re.Pattern[str]
    source: str
    example: str


def rule(reason: Reason, source: str, example: str, *words: str) -> TextRule:
    """Return the rule that matches any of `words`.

    Each is a regular expression over lower-case text: the `response_pattern` behind its codes. None has an open-ended
    repeat, so that the time is linear in the reply: gaps have limits (`{0,3}`), and `NEAR` stays in a clause.
    """
    return TextRule(reason, re.compile("|".join(words)), source, example)
