"""Questions to lists: every query is paid for from its list's budget, counted, and timed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from exporters.dnsbl.asking.resolver import Asker
from exporters.dnsbl.outcome import Failure, Outcome, Trouble

if TYPE_CHECKING:
    from exporters.dnsbl.asking import Resolver
    from exporters.dnsbl.lists import DnsList
    from exporters.dnsbl.metrics import Metrics
    from exporters.dnsbl.schedule import Planner


class Questions:
    """Asks the resolvers that it was last told of."""

    def __init__(self, planner: Planner, metrics: Metrics) -> None:
        self._planner, self._metrics = planner, metrics
        self.resolver: Resolver | None = None

    async def ask(self, prefix: bytes, rdtype: int, dns_list: DnsList, *, for_test: bool = False) -> Outcome:
        """One lookup, whose first query is paid for."""
        assert self.resolver is not None
        zone, metrics = dns_list.zone, self._metrics
        loop = asyncio.get_running_loop()
        queries = metrics.queries.labels(zone)
        queries.inc()

        def pay() -> bool:
            paid = self._planner.pay(zone, loop.time(), for_test=for_test)
            if paid:
                queries.inc()
            return paid

        return await self.resolver.lookup(
            prefix + dns_list.wire, rdtype, Asker(zone, pay, metrics.query_seconds.labels(zone).observe)
        )

    async def ask_if_paid(self, prefix: bytes, rdtype: int, dns_list: DnsList) -> Outcome:
        """One lookup, if the list's budget has room for it."""
        if not self._planner.pay(dns_list.zone, asyncio.get_running_loop().time()):
            return Failure(Trouble.NO_BUDGET)
        return await self.ask(prefix, rdtype, dns_list)
