"""The participants of the demo's mail: senders, zones with their addresses, mail hosts, receiving domains.

Names and addresses are reserved ones: domains under `.example` (RFC 2606), addresses of RFC 5737.
Only the MX host names are real, because the collector identifies a mailbox provider by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """The mailbox provider or software whose wording a receiver's replies have (`replies.py`)."""

    GOOGLE = "google"
    MICROSOFT = "microsoft"
    YAHOO = "yahoo"
    APPLE = "apple"
    POSTFIX = "postfix"


@dataclass(frozen=True, slots=True)
class Host:
    """One ZoneMTA instance. `shard` is the end of its queue ids."""

    cluster: str
    name: str
    shard: str
    weight: int


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiving domain. `weight` is its share of the mail, `seconds` the length of its SMTP sessions."""

    domain: str
    mx: tuple[str, ...]
    addresses: tuple[str, ...]
    family: Family
    weight: int
    seconds: float = 0.6
    tls: str | None = "TLSv1.3"


@dataclass(frozen=True, slots=True)
class Sender:
    """A sending domain.

    `weight` is its share of the messages, `zone` its sending zone. With `verp` each recipient has its own return path.
    """

    domain: str
    mailboxes: tuple[str, ...]
    zone: str
    interface: str
    weight: int
    body_bytes: int
    score: float = 0.4
    verp: bool = False
    authenticated: bool = False
    recipients: tuple[int, ...] = (1,)


HOSTS = (
    Host("eu1", "mta1.eu1.example", "cd07", 5),
    Host("eu1", "mta2.eu1.example", "8f31", 4),
    Host("us1", "mta1.us1.example", "a55e", 3),
)

ZONES: dict[str, tuple[str, ...]] = {
    "default": ("203.0.113.10", "203.0.113.11"),
    "transactional": ("203.0.113.20", "203.0.113.21"),
    "bulk": ("203.0.113.30", "203.0.113.31", "203.0.113.32", "203.0.113.33"),
    "gmail": ("203.0.113.40", "203.0.113.41"),
    "bounces": ("203.0.113.50",),
}
LISTED_ADDRESS = "203.0.113.31"
"""The address that is listed during the day's incident, and whose mail is then refused."""
STANDING_ADDRESS = "203.0.113.33"
"""The address that is always listed, so that pages always show a listing. No receiver refuses its mail."""

SENDERS = (
    Sender("shop.example", ("orders", "shipping", "invoices"), "transactional", "feeder", 30, 14_000),
    Sender("news.example", ("daily", "weekly"), "bulk", "feeder", 30, 48_000, score=2.1, verp=True),
    Sender("deals.example", ("offers",), "bulk", "feeder", 12, 62_000, score=4.6, verp=True),
    Sender("app.example", ("noreply", "alerts", "login"), "transactional", "feeder", 18, 6_000),
    Sender(
        "corp-a.example",
        ("alice", "bob", "carol"),
        "default",
        "submission",
        7,
        90_000,
        authenticated=True,
        recipients=(1, 1, 1, 2, 3),
    ),
    Sender(
        "corp-b.example",
        ("dave", "erin"),
        "default",
        "submission",
        3,
        180_000,
        authenticated=True,
        recipients=(1, 1, 2, 5),
    ),
)
BAD_LIST_SENDER = "deals.example"

RECEIVERS = (
    Receiver(
        "gmail.example",
        ("gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com"),
        ("192.0.2.26", "192.0.2.27"),
        Family.GOOGLE,
        38,
        0.8,
    ),
    Receiver("workspace.example", ("aspmx.l.google.com",), ("192.0.2.30",), Family.GOOGLE, 6, 0.9),
    Receiver(
        "outlook.example",
        ("outlook-com.olc.protection.outlook.com",),
        ("192.0.2.65", "192.0.2.66"),
        Family.MICROSOFT,
        14,
        1.2,
        "TLSv1.2",
    ),
    Receiver(
        "office.example",
        ("office-example.mail.protection.outlook.com",),
        ("192.0.2.70",),
        Family.MICROSOFT,
        9,
        1.6,
        "TLSv1.2",
    ),
    Receiver(
        "yahoo.example",
        ("mta5.am0.yahoodns.net", "mta6.am0.yahoodns.net"),
        ("192.0.2.90", "192.0.2.91"),
        Family.YAHOO,
        8,
        0.9,
    ),
    Receiver(
        "icloud.example", ("mx01.mail.icloud.com", "mx02.mail.icloud.com"), ("192.0.2.110",), Family.APPLE, 6, 0.7
    ),
    Receiver("gmx.example", ("mx00.gmx.net", "mx01.gmx.net"), ("192.0.2.130",), Family.POSTFIX, 4, 0.5),
    Receiver("proton.example", ("mail.protonmail.ch",), ("192.0.2.140",), Family.POSTFIX, 2, 0.5),
    Receiver("fastmail.example", ("in1-smtp.messagingengine.com",), ("192.0.2.150",), Family.POSTFIX, 2, 0.4),
    Receiver(
        "mailhost.example",
        ("mx1.mailhost.example", "mx2.mailhost.example"),
        ("198.51.100.7", "198.51.100.8"),
        Family.POSTFIX,
        7,
        0.3,
    ),
    Receiver("school.example", ("mail.school.example",), ("198.51.100.40",), Family.POSTFIX, 2, 0.4, None),
    Receiver("agency.example", ("mx.agency.example",), ("198.51.100.60",), Family.POSTFIX, 2, 0.4),
)

PEOPLE = (
    "ada", "alan", "barbara", "clara", "dennis", "donald", "edsger", "frances", "grace", "hedy", "ida", "john",
    "katherine", "ken",
    "lynn", "margaret", "niklaus", "radia", "shafi", "tim", "vint", "whitfield",
)  # fmt: skip
