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

IN_DOMAIN = r"\w\u0300-\u1fff\u200c\u200d\u2c00-\u2dff\u3099\u309a\ua000-\ufeff\U00010000-\U0010ffff"
"""For a class of a pattern: what a label of a domain is made of. `\\w` knows no marks, without which Hindi and Thai cannot be written."""

IN_LOCAL = rf"{IN_DOMAIN}\xa1-\xaa\xac-\xba\xbc-\u02ff\u2070-\u2bff\u2e80-\u2fff\u3003-\u3007\u3012\u3013\u3020-\u9fff"
"""The same for a local part, beside the signs of ASCII that it may hold: nearly everything (RFC 6531, 3.3), but spaces, and the quotes
and brackets that a text puts around an address.
"""

QUOTED_CHARACTERS = 64
"""RFC 5321, 4.5.3.1.1: no local part is longer."""

QUOTED_LOCAL = rf'"(?:[^"\\]|\\.){{0,{QUOTED_CHARACTERS}}}+"'
"""A pattern: a local part in quotes, in which anything may stand."""

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
