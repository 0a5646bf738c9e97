"""The model of a DNS list: its zone, the targets that it takes, and the meaning of its answer codes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from exporters.dnsbl.lists.names import TargetKind, domain_wire


class Severity(StrEnum):
    """The severity of a listing: act at once, act in the morning, or only know of it."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Effect(StrEnum):
    """The effect of a code on the verdict."""

    LISTED = "listed"
    CLEAN = "clean"
    REFUSED = "refused"


_GRAVITY: Final = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


def gravest(severities: set[Severity]) -> Severity | None:
    """Return the gravest of the severities, None if there is none."""
    return max(severities, key=_GRAVITY.index, default=None)


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of one code of a list."""

    text: str
    severity: Severity = Severity.WARNING
    effect: Effect = Effect.LISTED


@dataclass(frozen=True, slots=True)
class TestPoints:
    """Names by which a list shows that it works (RFC 5782, 5). None: the list has no such name."""

    listed: str | None
    unlisted: str | None


ADDRESS_TEST: Final = TestPoints("127.0.0.2", "127.0.0.1")
IPV6_TEST: Final = TestPoints("::ffff:7f00:2", "::ffff:7f00:1")
DOMAIN_TEST: Final = TestPoints("test", "invalid")

REFUSALS: Final = IPv4Network("127.255.255.0/24")
"""Spamhaus's error codes, which other lists use too: misspelt zone, public resolver, too many queries."""
BLOCKER: Final = IPv4Address("127.0.0.1")
"""Never a listing (RFC 5782, 5). SURBL and URIBL answer it to a resolver that they refuse."""
_REFUSED: Final = "the list refuses to answer this resolver"
MISSPELT: Final = "127.255.255.252"
_REFUSALS_BY_CODE: Final = {
    IPv4Address(MISSPELT): "the list does not know the zone that was asked: its name may be misspelt",
    IPv4Address("127.255.255.254"): "the list does not answer public resolvers",
    IPv4Address("127.255.255.255"): "the list does not answer a resolver that asks this often",
}
"""The codes that Spamhaus documents. Every other refusal has the text `_REFUSED`."""
LOOPBACK: Final = IPv4Network("127.0.0.0/8")


@dataclass(frozen=True)
class DnsList:
    """One list. `zone` is its label everywhere; the key is put before it only in queries."""

    zone: str
    kind: TargetKind = TargetKind.ADDRESS
    codes: tuple[tuple[IPv4Network, Meaning], ...] = ()
    bits: tuple[tuple[int, Meaning], ...] = ()
    severity: Severity = Severity.WARNING
    ipv4: bool = True
    ipv6: bool = False
    test: TestPoints = ADDRESS_TEST
    ipv6_test: TestPoints = IPV6_TEST
    delisting: str | None = None
    key: str | None = field(default=None, repr=False)
    interval: timedelta = timedelta(minutes=5)
    queries_per_minute: int | None = 100

    @cached_property
    def wire(self) -> bytes:
        """The zone in wire format, with the key. It must never be shown."""
        return domain_wire(f"{self.key}.{self.zone}" if self.key else self.zone) + b"\0"

    def takes(self, kind: TargetKind, version: int | None) -> bool:
        """Return True when the list takes targets of this kind and IP version."""
        if kind is not self.kind:
            return False
        return version is None or (self.ipv4 if version == 4 else self.ipv6)

    def meanings(self, address: IPv4Address) -> tuple[Meaning, ...]:
        """Return the meanings of an answer in 127.0.0.0/8: one, or with a bit mask one for each bit."""
        is_refusal = address in REFUSALS or address == BLOCKER
        for network, meaning in self.codes:
            # A configured range does not give a refusal code another meaning; a configured single code does.
            if address in network and (network.prefixlen == network.max_prefixlen or not is_refusal):
                return (meaning,)
        if is_refusal:
            return (Meaning(_REFUSALS_BY_CODE.get(address, _REFUSED), effect=Effect.REFUSED),)
        mask = int(address) & 0xFF
        found = tuple(meaning for bit, meaning in self.bits if mask & bit)
        return found or (Meaning("a code without a known meaning", self.severity),)

    def without_key(self, text: str) -> str:
        """Return the text with the key masked, in case the list repeats it."""
        # The key may come back in any case of letters, because queries randomise it (0x20).
        return re.sub(re.escape(self.key), "***", text, flags=re.IGNORECASE) if self.key else text
