"""How settings write quantities: durations, sizes and network addresses, each with an error that says what would be right."""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import timedelta
from typing import Final, NamedTuple, TypeAlias

_DURATION: Final = re.compile(r"(?P<count>[0-9]{1,12})(?P<unit>ms|s|m|h|d|y)", re.ASCII)
_SIZE: Final = re.compile(r"(?P<count>[0-9]{1,18})(?P<unit>KiB|MiB|GiB|TiB|)", re.ASCII)
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?", re.ASCII)

_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "y": 365 * 86_400_000}
_BYTES: Final = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

DURATION_FORM: Final = "must be a duration like 250ms, 30s, 5m, 12h, 30d or 2y"
SIZE_FORM: Final = "must be a size like 512KiB, 8MiB, 8GiB, or a whole number of bytes"
LISTEN_FORM: Final = "must be HOST:PORT like 127.0.0.1:9626 or [::1]:9626"
LISTENS_FORM: Final = 'must be HOST:PORT, or a list of them like ["127.0.0.1:9626", "[::1]:9626"]'
IP_FORM: Final = "must be an IP address like 192.0.2.5 or 2001:db8::5"
NETWORK_FORM: Final = "must be a network like 10.0.0.0/8 or 2001:db8::/32, or an address"

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Listen(NamedTuple):
    """Where a server listens. Port 0 means any free one."""

    host: str
    port: int

    @property
    def each(self) -> tuple[Listen, ...]:
        """This address alone; the same property of `Listens` has all of a list."""
        return (self,)

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return unmapped(address).is_loopback

    def __str__(self) -> str:
        """As it is written in the configuration."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Listens(NamedTuple):
    """Several addresses of one server, the first of them the one that its own tools ask."""

    each: tuple[Listen, ...]

    @property
    def host(self) -> str:
        """The host of the first address."""
        return self.each[0].host

    @property
    def port(self) -> int:
        """The port of the first address."""
        return self.each[0].port

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can connect, to every one of them."""
        return all(one.is_loopback for one in self.each)

    def __str__(self) -> str:
        """The addresses, as they are written in the configuration."""
        return ", ".join(map(str, self.each))


def parse_duration(value: object) -> timedelta:
    """`30s` -> 30 seconds; a year is 365 days. Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or (match := _DURATION.fullmatch(value.strip())) is None:
        raise ValueError(DURATION_FORM)
    milliseconds = int(match["count"]) * _MILLISECONDS[match["unit"]]
    if milliseconds > 1_000 * _MILLISECONDS["y"]:
        raise ValueError(f"{DURATION_FORM}, at most 1000y")
    return timedelta(milliseconds=milliseconds)


def parse_size(value: object) -> int:
    """`8MiB` -> 8388608. A number is bytes. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if not isinstance(value, str) or (match := _SIZE.fullmatch(value.strip())) is None:
        raise ValueError(SIZE_FORM)
    return int(match["count"]) * _BYTES[match["unit"]]


def parse_listen(value: object) -> Listen:
    """`127.0.0.1:9626` or `[::1]:9626`. Raises ValueError."""
    if isinstance(value, Listen):
        return value
    if not isinstance(value, str):
        raise ValueError(LISTEN_FORM)  # noqa: TRY004 - pydantic reports ValueError only
    host, colon, port = value.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise ValueError(LISTEN_FORM)
        parse_ip(host, LISTEN_FORM)
    elif not _HOST_NAME.fullmatch(host):
        raise ValueError(LISTEN_FORM)
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or int(port) > 65_535:
        raise ValueError(f"{LISTEN_FORM}, with a port from 0 to 65535")
    return Listen(host, int(port))


def parse_listens(value: object) -> Listen | Listens:
    """One address, or a list of different ones; a variable of the environment gives a list as JSON. Raises ValueError."""
    if isinstance(value, Listens):
        return value
    written = _json_list(value) if isinstance(value, str) else value
    if not isinstance(written, (list, tuple)) or isinstance(written, Listen):
        return parse_listen(written)
    if not written:
        raise ValueError(LISTENS_FORM)
    each = tuple(parse_listen(one) for one in written)
    if len(set(each)) < len(each):
        raise ValueError("must not name the same address twice")
    return each[0] if len(each) == 1 else Listens(each)


def _json_list(text: str) -> object:
    """The list that the text is in JSON, else the text: `[::1]:9626` begins as a list does."""
    try:
        found = json.loads(text) if text.lstrip().startswith("[") else text
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, list) else text


def unmapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 socket shows as ::ffff:192.0.2.1, else the address itself (RFC 4291, 2.5.5.2)."""
    return getattr(address, "ipv4_mapped", None) or address


def parse_ip(value: object, form: str = IP_FORM) -> str:
    """An IP address as canonical text. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(form)  # noqa: TRY004 - pydantic reports ValueError only
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        raise ValueError(form) from None


def parse_network(value: object) -> Network:
    """`10.0.0.0/8`; an address is a network of its own. Raises ValueError."""
    if isinstance(value, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return value
    if not isinstance(value, str):
        raise ValueError(NETWORK_FORM)  # noqa: TRY004 - pydantic reports ValueError only
    try:
        return ipaddress.ip_network(value.strip())
    except ValueError:
        raise ValueError(NETWORK_FORM) from None


def format_duration(value: timedelta) -> str:
    """The shortest way to write a duration: the inverse of `parse_duration`."""
    milliseconds = round(value / timedelta(milliseconds=1))
    for unit in ("y", "d", "h", "m", "s"):
        if milliseconds and milliseconds % _MILLISECONDS[unit] == 0:
            return f"{milliseconds // _MILLISECONDS[unit]}{unit}"
    return f"{milliseconds}ms"


def format_size(value: int) -> str:
    """The shortest way to write a size: the inverse of `parse_size`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if value and value % _BYTES[unit] == 0:
            return f"{value // _BYTES[unit]}{unit}"
    return str(value)
