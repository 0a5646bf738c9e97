"""Parse the network addresses of settings: listening endpoints, IP addresses, networks."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Final, NamedTuple, TypeAlias

HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)

LISTEN_FORM: Final = "must be HOST:PORT like 127.0.0.1:{port} or [::1]:{port}"
LISTENS_FORM: Final = 'must be HOST:PORT, or a list of them like ["127.0.0.1:{port}", "[::1]:{port}"]'
IP_FORM: Final = "must be an IP address like 192.0.2.5 or 2001:db8::5"
NETWORK_FORM: Final = "must be a network like 10.0.0.0/8 or 2001:db8::/32, or an address"

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Endpoint(NamedTuple):
    """A host and a port. For a listening server, port 0 means any free port."""

    host: str
    port: int

    @property
    def each(self) -> tuple[Endpoint, ...]:
        """This endpoint alone. `Endpoints` has the same property, with all its endpoints."""
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
        """Return the endpoint as it is written in the configuration."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Endpoints(NamedTuple):
    """Several endpoints of one server. The server's own commands connect to the first."""

    each: tuple[Endpoint, ...]

    @property
    def host(self) -> str:
        """The host of the first endpoint."""
        return self.each[0].host

    @property
    def port(self) -> int:
        """The port of the first endpoint."""
        return self.each[0].port

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can connect to any of them."""
        return all(one.is_loopback for one in self.each)

    def __str__(self) -> str:
        """Return the endpoints as they are written in the configuration."""
        return ", ".join(map(str, self.each))


def parse_listen(value: object, port: int) -> Endpoint:
    """Return `127.0.0.1:9626` or `[::1]:9626` as an endpoint. Raise ValueError with an example that has `port`."""
    form = LISTEN_FORM.format(port=port)
    if isinstance(value, Endpoint):
        return value
    if not isinstance(value, str):
        raise ValueError(form)  # noqa: TRY004 - pydantic reports ValueError only
    host, colon, number = value.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = parse_ip(host[1:-1], form)
    elif not HOST_NAME.fullmatch(host):
        raise ValueError(form)
    return Endpoint(host, parse_port(number if colon else "", form))


def parse_listens(value: object, port: int) -> Endpoint | Endpoints:
    """Return one endpoint, or those of a list. In an environment variable a list is JSON.

    Raise ValueError with an example that has `port`, also for a list that names an endpoint twice.
    """
    if isinstance(value, Endpoints):
        return value
    written = _json_list(value) if isinstance(value, str) else value
    if not isinstance(written, (list, tuple)) or isinstance(written, Endpoint):
        return parse_listen(written, port)
    if not written:
        raise ValueError(LISTENS_FORM.format(port=port))
    each = tuple(parse_listen(one, port) for one in written)
    if len(set(each)) < len(each):
        raise ValueError("must not name the same address twice")
    return each[0] if len(each) == 1 else Endpoints(each)


def parse_port(text: str, form: str) -> int:
    """Return a port, 0 to 65535. Raise ValueError with a text that begins with `form`."""
    if not _PORT.fullmatch(text) or int(text) > 65_535:
        raise ValueError(f"{form}, with a port from 0 to 65535")
    return int(text)


def parse_ip(value: object, form: str = IP_FORM) -> str:
    """Return an IP address as canonical text. Raise ValueError with the text `form`."""
    if not isinstance(value, str):
        raise ValueError(form)  # noqa: TRY004 - pydantic reports ValueError only
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        raise ValueError(form) from None


def parse_network(value: object) -> Network:
    """Return `10.0.0.0/8` as a network. A single address is a network of one. Raise ValueError."""
    if isinstance(value, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return value
    if not isinstance(value, str):
        raise ValueError(NETWORK_FORM)  # noqa: TRY004 - pydantic reports ValueError only
    try:
        return ipaddress.ip_network(value.strip())
    except ValueError:
        raise ValueError(NETWORK_FORM) from None


def unmapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address of ::ffff:192.0.2.1, which an IPv6 socket shows (RFC 4291, 2.5.5.2), else `address`."""
    return getattr(address, "ipv4_mapped", None) or address


def _json_list(text: str) -> object:
    """Return the list that the text is in JSON, else the text: `[::1]:9626` begins like a list."""
    try:
        found = json.loads(text) if text.lstrip().startswith("[") else text
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, list) else text
