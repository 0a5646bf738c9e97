"""Fixtures: a name server with chosen behaviour, and resolvers that ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from duckwatch.base.config.addresses import Endpoint
from exporters.dnsbl.asking import Resolver
from exporters.dnsbl.asking.resolver import AskingList
from exporters.dnsbl.asking.wire import A
from exporters.dnsbl.lists.names import target
from tests.servers.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from exporters.dnsbl.lists import DnsList
    from exporters.dnsbl.verdicts.lookup_result import Outcome


@pytest.fixture
def nameserver() -> Iterator[NameServer]:
    """Yield a name server whose zones the test sets."""
    server = NameServer()
    yield server
    server.close()


class ResolverUnderTest:
    """A resolver, and its calls of the test's functions."""

    def __init__(self, *ports: int, timeout: float = 5.0, in_flight: int = 128) -> None:
        self.ignored: list[str] = []
        self.paid = 0
        self.budget = 100
        endpoints = [Endpoint("127.0.0.1", port) for port in ports]
        self.resolver = Resolver(
            endpoints, timeout_seconds=timeout, in_flight=in_flight, on_ignored=self.ignored.append
        )

    def _pay(self) -> bool:
        self.paid += 1
        return self.paid <= self.budget

    async def ask(self, dns_list: DnsList, text: str = "192.0.2.1", rdtype: int = A) -> Outcome:
        """Look up a name."""
        name = target(text).wire + dns_list.wire
        return await self.resolver.lookup(name, rdtype, AskingList(dns_list.zone, self._pay, lambda _: None))


@pytest.fixture
async def asking() -> AsyncIterator[Callable[..., ResolverUnderTest]]:
    """Yield a function that makes resolvers. Close them at the end."""
    made: list[ResolverUnderTest] = []

    def make(*ports: int, timeout: float = 5.0, in_flight: int = 128) -> ResolverUnderTest:
        made.append(ResolverUnderTest(*ports, timeout=timeout, in_flight=in_flight))
        return made[-1]

    yield make
    for one in made:
        one.resolver.close()
