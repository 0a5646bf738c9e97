"""Listening sockets for each address of a setting, in both address families if the address means both."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Where = tuple[socket.AddressFamily, tuple[Any, ...]]

EVERY_IPV4, EVERY_IPV6 = "0.0.0.0", "::"  # noqa: S104 - an operator may write these addresses
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""The errors of an address family that is switched off on this machine."""

_REMEDIES: Final = {
    errno.EADDRINUSE: "; name another port, or end the program that has this one: ss -lnp 'sport = :{port}'",
    errno.EADDRNOTAVAIL: "; name an address of this machine (ip address), or 0.0.0.0:{port} for all of IPv4",
    errno.EACCES: "; name a port from 1024 on, or give the service AmbientCapabilities=CAP_NET_BIND_SERVICE",
}
"""Error of binding an address -> what to do, as the end of its message."""


class Address(Protocol):
    """A host and a port; port 0 means any free port. `str()` gives the form that the operator writes."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


class Addresses(Protocol):
    """The one or more addresses of a setting."""

    @property
    def each(self) -> Sequence[Address]: ...


_log = logging.getLogger(__name__)


def open_sockets(listen: Addresses, kind: socket.SocketKind) -> list[socket.socket]:
    """Return bound, non-blocking sockets for every address.

    `[::]` takes IPv4 too. The sockets of one address with port 0 share one port.
    Raise OSError with the failing address as `filename`, after closing all sockets.
    """
    made: list[socket.socket] = []
    try:
        for one in listen.each:
            try:
                made += _open_address(one, kind, beside=listen)
            except OSError as error:
                raise OSError(error.errno, _reason(error, one), str(one)) from None
    except OSError:
        for opened in made:
            opened.close()
        raise
    return made


def _open_address(listen: Address, kind: socket.SocketKind, *, beside: Addresses) -> list[socket.socket]:
    found: dict[Where, None] = {}
    for place in socket.getaddrinfo(listen.host, listen.port, type=kind, flags=socket.AI_PASSIVE):
        found[place[0], place[4]] = None
    takes_ipv4 = listen.host == EVERY_IPV6 and not any(
        one.host == EVERY_IPV4 and one.port == listen.port for one in beside.each
    )
    made: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, address in _with_ipv4(found, takes_ipv4=takes_ipv4):
            port = made[0].getsockname()[1] if made and not listen.port else address[1]
            try:
                made.append(_open(family, (address[0], port, *address[2:]), kind, takes_ipv4=takes_ipv4))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error  # a name like localhost may have an address of a family that is switched off
    except OSError:
        for opened in made:
            opened.close()
        raise
    if not made:
        raise absent or OSError(errno.EADDRNOTAVAIL, "no such address")
    return made


def _with_ipv4(found: dict[Where, None], *, takes_ipv4: bool) -> Iterator[Where]:
    """Yield the addresses to bind. Systems whose IPv6 sockets never take IPv4 (OpenBSD) need an IPv4 socket too."""
    yield from found
    if takes_ipv4 and not socket.has_dualstack_ipv6():
        yield from ((socket.AF_INET, (EVERY_IPV4, address[1])) for _, address in found)


def _open(
    family: socket.AddressFamily, address: tuple[Any, ...], kind: socket.SocketKind, *, takes_ipv4: bool
) -> socket.socket:
    made = socket.socket(family, kind)
    try:
        if kind is socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as asyncio does
        if family == socket.AF_INET6 and not str(address[0]).startswith("::ffff:"):
            with contextlib.suppress(OSError):  # OpenBSD allows only one value
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not takes_ipv4)
        made.settimeout(0)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _reason(error: OSError, listen: Address) -> str:
    # A host name without an address has an errno below 0 (socket.gaierror), which only its strerror explains.
    reason = error.strerror or "no such address"
    if error.errno in _ABSENT and ":" in listen.host:
        reason += "; if IPv6 is switched off on this machine, name an IPv4 address"
    remedy = _REMEDIES.get(error.errno or 0, "")
    return reason + remedy.format(port=listen.port)
