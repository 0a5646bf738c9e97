"""Addresses and hosts in their one spelling: domains, address lists, IP addresses."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import idna

DOMAIN_CHARACTERS = 255
"""RFC 1035, 2.3.4. What is longer is no domain; it is not kept in a cache either, so that no sender can fill it."""

IP_CHARACTERS = 45
"""The longest spelling of an IPv6 address: eight groups, the last two as IPv4."""

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)


def bare(address: str) -> str:
    """The address without the `<` and `>` around it (RFC 5321, 4.1.2: path)."""
    return address[1:-1] if address[:1] == "<" and address[-1:] == ">" else address


def domain(address: str) -> str | None:
    """The domain of the address, lower case, in A-labels (RFC 5891); None without an `@` or with nothing behind it."""
    _, at, name = address.rpartition("@")
    if not at:
        return None
    return _domain(name) if len(name) <= DOMAIN_CHARACTERS else _spelt(name)


def count(addresses: str) -> int:
    """The number of addresses in a comma-joined list; a comma inside double quotes separates nothing."""
    if "," not in addresses:
        return 0 if not addresses or addresses.isspace() else 1
    if '"' in addresses:
        addresses = _QUOTED.sub("q", addresses)
    return sum(1 for part in addresses.split(",") if part.strip())


def split(addresses: str) -> list[str]:
    """The parts of a comma-joined list, empty ones too; a comma inside double quotes separates nothing."""
    if '"' not in addresses:
        return addresses.split(",")
    masked = _QUOTED.sub(lambda quoted: "q" * len(quoted[0]), addresses)
    ends = [place for place, character in enumerate(masked) if character == ","]
    return [addresses[start:end] for start, end in zip([0, *(end + 1 for end in ends)], [*ends, None], strict=True)]


def canonical_ip(text: str) -> str | None:
    """The canonical text of an IP address (RFC 5952), an IPv4-mapped one as IPv4; None for anything else."""
    return _canonical_ip(text) if len(text) <= IP_CHARACTERS else None


@lru_cache(maxsize=4096)
def _domain(name: str) -> str | None:
    return _spelt(name)


def _spelt(name: str) -> str | None:
    name = name.rstrip("> ").lower().rstrip(".")
    if name.isascii():
        return name or None
    try:
        return idna.encode(name).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return name


@lru_cache(maxsize=4096)
def _canonical_ip(text: str) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        address = address.ipv4_mapped or address
    return str(address)
