"""Normalises addresses and hosts: domains, address lists, IP addresses."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

import idna

if TYPE_CHECKING:
    from collections.abc import Iterator

DOMAIN_CHARACTERS = 255
"""RFC 1035, 2.3.4. A longer text is not a domain. It is not cached either, so that no sender can fill the cache."""

IP_CHARACTERS = 45
"""The longest spelling of an IPv6 address: eight groups, the last two as IPv4."""

IN_DOMAIN = r"\w\u0300-\u1fff\u200c\u200d\u2c00-\u2dff\u3099\u309a\ua000-\ufeff\U00010000-\U0010ffff"
"""The characters of a domain's label, for a character class of a pattern.

`\\w` lacks the marks that Hindi and Thai need.
"""

IN_LOCAL = rf"{IN_DOMAIN}\xa1-\xaa\xac-\xba\xbc-\u02ff\u2070-\u2bff\u2e80-\u2fff\u3003-\u3007\u3012\u3013\u3020-\u9fff"
"""The characters of a local part, without the ASCII signs that it may hold: nearly all (RFC 6531, 3.3), except spaces,
and the quotes and brackets that a text puts around an address.
"""

QUOTED_CHARACTERS = 64
"""The longest local part (RFC 5321, 4.5.3.1.1)."""

QUOTED_LOCAL = rf'"(?:[^"\\]|\\.){{0,{QUOTED_CHARACTERS}}}+"'
"""The pattern of a local part in quotes, which may hold any character."""

_SPECIAL = r"""\s"(),:;<>@\[\\\]"""
_PLAIN = rf"[^{_SPECIAL}]++(?:@[^{_SPECIAL}]++)?+"
_ONE = re.compile(rf"[^{_SPECIAL}]++@([^{_SPECIAL}]++)")
_USUAL = re.compile(rf"{_PLAIN}|<{_PLAIN}>|(?:<>)?+")
_IN_NO_DOMAIN = re.compile(rf"[{_SPECIAL}\x00-\x1f\x7f]")
_LITERAL = re.compile(r"\[(ipv6:)?([0-9a-f:.]{1,45})\]")
_ROUTE = re.compile(r"@[^:\"]*+:")
_GROUP = re.compile(r"[^:\"@]*+:")
_AROUND_DOTS = re.compile(r"\s*+\.\s*+")
_DOMAIN_ENDS = re.compile(r"[;,.\s]*+\Z")
_TOKEN = re.compile(r'\\.|["(),<>]', re.DOTALL)


def bare(address: str) -> str:
    """Return the address without the `<` and `>` around it (RFC 5321, 4.1.2: path)."""
    return address[1:-1] if address[:1] == "<" and address[-1:] == ">" else address


def is_usual(written: str) -> bool:
    """Return True for an empty text, and for one address, with or without `<>`, without comment, display name, quotes
    and white space.
    """
    return _USUAL.fullmatch(written) is not None


def alone(written: str) -> str:
    """Return the first address in a text of RFC 5322 or 5321: without `<>`, display name, comments, route and the rest
    of a list.

    A text that cannot be read is returned unchanged. An open quote or comment runs to the end. The time is linear in
    the text.
    """
    if is_usual(written):
        return bare(written)
    parts = [part for part in split(written) if part.strip()]
    # "Doe, Jane <jane@a.example>" should have quotes around the name, but often they are missing.
    part = next((part for part in parts if "@" in part), parts[0] if parts else "")
    found = _in_brackets(_without_comments(part)).strip().rstrip("; ")
    if before := (_ROUTE if found[:1] == "@" else _GROUP).match(found):
        found = found[before.end() :].lstrip()
    local, at, name = found.rpartition("@")
    return f"{local.rstrip()}@{_AROUND_DOTS.sub('.', name.strip())}" if at else found


def usual_parts(written: str) -> re.Match[str] | None:
    """Return a match for one usual address with an `@` and without `<>`, or None. Group 1 is the domain as written."""
    return _ONE.fullmatch(written)


def domain(address: str) -> str | None:
    """Return the domain of the address in lower case and A-labels (RFC 5891), or None if the address has no valid
    domain.
    """
    return domain_of_alone(address if is_usual(address) else alone(address))


def domain_of_alone(address: str) -> str | None:
    """Return the domain of an address that `alone` returned, as `domain` does."""
    _, at, name = address.rpartition("@")
    return spelt(name) if at else None


def spelt(name: str) -> str | None:
    """Return the text behind the `@` as a normalised domain, or None if it is not a domain."""
    return _domain(name) if len(name) <= DOMAIN_CHARACTERS else _spelt(name)


def count(addresses: str) -> int:
    """Return the number of addresses in a list; see `split`."""
    if "," not in addresses:
        return 0 if not addresses or addresses.isspace() else 1
    return sum(1 for part in split(addresses) if part.strip())


def split(addresses: str) -> list[str]:
    """Return the parts of a list that is separated by commas, empty parts too. A comma in double quotes, in a comment
    or in a route (`@a,@b:c@d`) does not separate.
    """
    if not any(sign in addresses for sign in '"(@'):
        return addresses.split(",")
    is_simple = '"' not in addresses and "(" not in addresses
    parts = addresses.split(",") if is_simple else _parts(addresses)
    return _with_routes(parts) if ":" in addresses else parts


def canonical_ip(text: str) -> str | None:
    """Return the canonical text of an IP address (RFC 5952), an IPv4-mapped one as IPv4. None for any other text."""
    return _canonical_ip(text) if len(text) <= IP_CHARACTERS else None


def _signs(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each comma, parenthesis and angle bracket outside quotes: the sign, its position, and the number of
    comments around it.
    """
    depth, is_quoted = 0, False
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign == '"' and not depth:
            is_quoted = not is_quoted
        elif not is_quoted and len(sign) == 1:
            depth -= sign == ")" and depth > 0
            yield sign, token.start(), depth
            depth += sign == "("


def _parts(addresses: str) -> list[str]:
    ends = [place for sign, place, depth in _signs(addresses) if sign == "," and not depth]
    return [addresses[start:end] for start, end in zip([0, *(end + 1 for end in ends)], [*ends, None], strict=True)]


def _with_routes(parts: list[str]) -> list[str]:
    """Return the parts, with the parts of one source route (RFC 5321, appendix C) joined. A route lists hosts before
    the address, each with an `@`.
    """
    joined: list[str] = []
    route: list[str] = []
    for part in parts:
        head = part.lstrip(" \t<") if not route else part.lstrip()
        if head[:1] == "@" and ":" not in head:
            route.append(part)
        elif route and head[:1] == "@":
            joined.append(",".join([*route, part]))
            route = []
        else:
            joined += [*route, part]
            route = []
    return joined + route


def _without_comments(text: str) -> str:
    if "(" not in text:
        return text
    kept: list[str] = []
    start: int | None = 0
    for sign, place, depth in _signs(text):
        if sign == "(" and not depth and start is not None:
            kept.append(text[start:place])
            start = None
        elif sign == ")" and not depth and start is None:
            start = place + 1
    return "".join(kept) if start is None else "".join([*kept, text[start:]])


def _in_brackets(text: str) -> str:
    """Return the text in the last `<>`, or the whole text without one. The last `>` may be missing."""
    found, start = text, None
    for sign, place, _ in _signs(text):
        if sign == "<":
            start = place + 1
        elif sign == ">" and start is not None:
            found, start = text[start:place], None
    return found if start is None else text[start:]


@lru_cache(maxsize=4096)
def _domain(name: str) -> str | None:
    return _spelt(name)


def _spelt(name: str) -> str | None:
    name = _DOMAIN_ENDS.sub("", name.rstrip("> ").lower())
    if literal := _LITERAL.fullmatch(name):
        return f"[{literal[1] or ''}{canonical_ip(literal[2]) or literal[2]}]"
    if not name or _IN_NO_DOMAIN.search(name):
        return None
    if name.isascii():
        return name
    name = unicodedata.normalize("NFC", name)
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
