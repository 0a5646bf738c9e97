"""The shipped catalogue (catalogue.yml), read and typed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final

import yaml

from exporters.dnsbl.lists.model import ADDRESS_TEST, DOMAIN_TEST, DnsList, Effect, Meaning, Severity, TestPoints
from exporters.dnsbl.lists.names import TargetKind

if TYPE_CHECKING:
    from collections.abc import Mapping


class Use(StrEnum):
    """Who may query a list free of charge."""

    EVERYONE = "everyone"
    SMALL = "small"
    REGISTERED = "registered"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A list of the catalogue, with its operator's terms of use."""

    dns_list: DnsList
    use: Use
    public: str
    terms: str
    is_default: bool
    """True when the list is asked without being named in the configuration."""


@cache
def catalogue() -> Mapping[str, CatalogueEntry]:
    """Return zone -> entry, in the file's order."""
    text = files("exporters.dnsbl.lists").joinpath("catalogue.yml").read_text(encoding="utf-8")
    entries = [_entry(**written) for written in yaml.safe_load(text)]
    return {entry.dns_list.zone: entry for entry in entries}


_KEYED_PARENTS: Final = ("dq.spamhaus.net", "mail.abusix.zone")
"""Parent zones: the label before one is the list, a label before that is a customer's key."""
_KEY_LABEL: Final = re.compile(r"(?=(?:[a-z]*[0-9]){3})(?=(?:[0-9]*[a-z]){3})[a-z0-9]{20,63}", re.ASCII)


def holds_key(zone: str) -> bool:
    """Return True when a zone seems to contain its key, which metrics and logs would then show."""
    if zone in catalogue():
        return False
    below_keyed = any(zone.endswith(f".{known}") for known, entry in catalogue().items() if entry.use is Use.KEY)
    below_parent = any(
        zone.endswith(f".{parent}") and zone.removesuffix(f".{parent}").count(".") for parent in _KEYED_PARENTS
    )
    return below_keyed or below_parent or any(_KEY_LABEL.fullmatch(label) for label in zone.split("."))


def default_test(kind: TargetKind) -> TestPoints:
    """Return the test points that RFC 5782 requires of a list."""
    return ADDRESS_TEST if kind is TargetKind.ADDRESS else DOMAIN_TEST


def meaning(text: str, severity: str, effect: str = Effect.LISTED) -> Meaning:
    """Return the meaning that the catalogue or the configuration writes. Raise ValueError for an unknown word."""
    return Meaning(text, Severity(severity), Effect(effect))


def _entry(  # noqa: PLR0913 - the file's keys
    *,
    zone: str,
    kind: str,
    use: str,
    public: str,
    terms: str,
    delisting: str,
    severity: str,
    default: bool = True,
    ipv6: bool = False,
    codes: dict[str, list[str]] | None = None,
    bits: dict[int, list[str]] | None = None,
    test: list[str] | None = None,
) -> CatalogueEntry:
    dns_list = DnsList(
        zone=zone,
        kind=TargetKind(kind),
        codes=code_table(codes or {}),
        bits=tuple((bit, meaning(*written)) for bit, written in (bits or {}).items()),
        severity=Severity(severity),
        ipv6=ipv6,
        test=test_points(test) if test else default_test(TargetKind(kind)),
        delisting=delisting,
    )
    return CatalogueEntry(dns_list, Use(use), public, terms, is_default=default and use == Use.EVERYONE)


def code_table(codes: Mapping[str, Any]) -> tuple[tuple[IPv4Network, Meaning], ...]:
    """Return the codes in the order of their lookup, the narrowest range first. Raise ValueError."""
    table = [(IPv4Network(code), meaning(*written)) for code, written in codes.items()]
    return tuple(sorted(table, key=lambda row: -row[0].prefixlen))


def test_points(written: list[str]) -> TestPoints:
    """Return the test points `[listed, unlisted]`. An empty text means that the list has none."""
    listed, unlisted = written
    return TestPoints(listed or None, unlisted or None)
