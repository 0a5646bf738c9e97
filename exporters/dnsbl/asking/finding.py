"""The addresses of resolvers configured by host name, from the system's resolver (/etc/hosts, /etc/resolv.conf)."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import threading
from typing import TYPE_CHECKING, Final

from duckwatch.base.config.addresses import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

log = logging.getLogger(__name__)

MAX_ADDRESSES: Final = 8
"""Most addresses of one name that are used."""
PATIENCE_SECONDS: Final = 5.0
"""Seconds that the system's resolver may take for one name."""


class ResolverNames:
    """The addresses of the resolvers' names. A name keeps its last addresses while it does not resolve."""

    def __init__(self, look_up: Callable[[str], tuple[str, ...]] | None = None) -> None:
        self._look_up = look_up or _system_lookup
        self._known: dict[str, tuple[str, ...]] = {}
        self._missing: set[str] = set()

    async def find(self, configured: Iterable[Endpoint]) -> None:
        """Resolve the host names among these endpoints. Log a name once when it begins or ceases to resolve."""
        hosts = dict.fromkeys(endpoint.host for endpoint in configured if not is_address(endpoint.host))
        found = await asyncio.gather(*(self._find(host) for host in hosts))
        for host, addresses in zip(hosts, found, strict=True):
            self._note(host, addresses)

    async def _find(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a host name, looked up in a thread.

        Neither the event loop nor the program's exit waits for a slow system resolver.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

        def deliver(addresses: tuple[str, ...]) -> None:
            if not answer.done():
                answer.set_result(addresses)

        def ask() -> None:
            addresses = self._look_up(host)
            with contextlib.suppress(RuntimeError):  # the event loop has been closed meanwhile
                loop.call_soon_threadsafe(deliver, addresses)

        threading.Thread(target=ask, name="resolver-name", daemon=True).start()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await answer
        except TimeoutError:
            return ()

    def _note(self, host: str, addresses: tuple[str, ...]) -> None:
        fields = {"resolver": host}
        if not addresses:
            if host not in self._missing:
                self._missing.add(host)
                log.warning("a resolver's name does not resolve", extra={"fields": fields | {"to_do": TO_DO}})
            return
        if host in self._missing:
            self._missing.discard(host)
            log.info("a resolver's name resolves again", extra={"fields": fields})
        elif self._known.get(host, addresses) != addresses:
            log.info("a resolver has other addresses", extra={"fields": fields})
        self._known[host] = addresses

    def addresses(self, configured: Sequence[Endpoint]) -> dict[Endpoint, str]:
        """Return each address to query, with the resolver as it is configured, which is the metrics' label."""
        found: dict[Endpoint, str] = {}
        for endpoint in configured:
            hosts = (endpoint.host,) if is_address(endpoint.host) else self._known.get(endpoint.host, ())
            for host in hosts:
                found.setdefault(Endpoint(host, endpoint.port), str(endpoint))
        return found

    def unresolved(self, configured: Sequence[Endpoint]) -> list[Endpoint]:
        """Return the resolvers whose host name does not resolve now."""
        return [endpoint for endpoint in configured if endpoint.host in self._missing]


TO_DO: Final = (
    "correct the name in dnsbl.resolvers, or make this machine's own resolver (/etc/hosts, /etc/resolv.conf) know it"
)


def is_address(host: str) -> bool:
    """Return True for an IP address, which need not be resolved."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _system_lookup(host: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return ()
    addresses = {str(address[0]).partition("%")[0] for _, _, _, _, address in found}
    return tuple(sorted(addresses))[:MAX_ADDRESSES]
