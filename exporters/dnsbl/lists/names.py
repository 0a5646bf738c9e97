"""Targets: addresses, ranges and names, and their form in a query (RFC 5782, 2). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

import dns.exception
import dns.name

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_NAME_BYTES: Final = 255
"""Most bytes of a whole name in wire format (RFC 1035, 2.3.4)."""

TARGET_FORM: Final = (
    "must be an IP address, a range like 192.0.2.0/28 or 2001:db8::/124, or a name like mail.example.com"
)
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)


class TargetKind(StrEnum):
    """The kind of a target, and of the list that takes it."""

    ADDRESS = "address"
    DOMAIN = "domain"


@dataclass(frozen=True, slots=True)
class Target:
    """One address or domain. `text` is its label in metrics; `wire` is the part of a query before the zone."""

    text: str
    kind: TargetKind
    version: int | None
    wire: bytes


Range = IPv4Network | IPv6Network


_JOINERS: Final = "\u200c\u200d"
"""Invisible characters that names in some languages need (RFC 5892, A.1 and A.2)."""
_BEYOND_REACH: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
        "::/127",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    )
)


def is_private(network: Range) -> bool:
    """Return True when the range holds an address that no public list can know: private, loopback, link-local,
    multicast.
    """
    return any(one.version == network.version and one.overlaps(network) for one in _BEYOND_REACH)


def is_private_address(text: str) -> bool:
    """Return True for an address that no public list can know."""
    return is_private(ip_network(text))


def parse(text: str) -> Range | str:
    """Return a range (a single address is a range of one), or a domain name in lower case as A-labels. Raise
    ValueError.
    """
    text = text.strip()
    hidden = next((one for one in text if not one.isprintable() and one not in _JOINERS), None)
    if hidden is not None:
        raise ValueError(f"holds an invisible character (U+{ord(hidden):04X}): remove it, or type the entry again")
    address, _, length = text.partition("/")
    try:
        network = ip_network(text.replace("%", "?"))  # refuses an interface, as in fe80::1%eth0
    except ValueError:
        if length or _looks_like_address(address):
            raise ValueError(_range_fault(text)) from None
        return domain(text)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return ip_network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network


def _looks_like_address(text: str) -> bool:
    return ":" in text or bool(re.fullmatch(r"[0-9.]+", text, re.ASCII))


def _range_fault(text: str) -> str:
    if "%" in text:
        return TARGET_FORM
    try:
        return f"is not the first address of its range: {ip_network(text, strict=False)} would be"
    except ValueError:
        return TARGET_FORM


def domain(text: str) -> str:
    """Return a domain name in lower case as A-labels: `Bücher.example.` -> `xn--bcher-kva.example`.
    Raise ValueError.
    """
    try:
        name = dns.name.from_text(text, None, dns.name.IDNA_2008_Practical)
        labels = [label.decode("ascii").lower() for label in name.labels if label]
    except (dns.exception.DNSException, UnicodeError):
        raise ValueError(TARGET_FORM) from None
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise ValueError(TARGET_FORM)
    return ".".join(labels)


def addresses(network: Range) -> Iterator[str]:
    """Yield every address of a range, the first and the last included."""
    for address in network:
        yield str(address)


def target(text: str) -> Target:
    """Return the target of an address or a domain in canonical form."""
    try:
        address = ip_address(text)
    except ValueError:
        return Target(text, TargetKind.DOMAIN, None, domain_wire(text))
    return Target(str(address), TargetKind.ADDRESS, address.version, address_wire(address))


def address_wire(address: IPv4Address | IPv6Address) -> bytes:
    """Return the octets (IPv4) or the 32 nibbles (IPv6) in reverse order, as labels (RFC 5782, 2.1 and 2.4)."""
    parts = str(address).split(".") if isinstance(address, IPv4Address) else list(address.packed.hex())
    return b"".join(bytes([len(part)]) + part.encode() for part in reversed(parts))


def domain_wire(text: str) -> bytes:
    """Return a domain's labels in wire format, without the root label. Raise ValueError if it is not a name."""
    try:
        labels = dns.name.from_text(text).labels
    except dns.exception.DNSException:
        raise ValueError(TARGET_FORM) from None
    return b"".join(bytes([len(label)]) + label for label in labels if label)
