"""Queries to lists: each is paid for from its list's budget, counted and timed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from exporters.dnsbl.asking.resolver import AskingList
from exporters.dnsbl.verdicts.lookup_result import Failure, Outcome, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter

    from exporters.dnsbl.asking import Resolver
    from exporters.dnsbl.lists import DnsList
    from exporters.dnsbl.metrics import Metrics
    from exporters.dnsbl.schedule import Planner


class ListQueries:
    """Asks `resolver`, which a reload may replace."""

    def __init__(self, planner: Planner, metrics: Metrics) -> None:
        self._planner, self._metrics = planner, metrics
        self._of_lists: dict[str, tuple[Counter, Callable[[float], None]]] = {}
        self.resolver: Resolver | None = None

    async def ask(self, prefix: bytes, rdtype: int, dns_list: DnsList, *, for_test: bool = False) -> Outcome:
        """Look up a name below the list's zone. The caller has paid for the first query."""
        assert self.resolver is not None
        zone, loop = dns_list.zone, asyncio.get_running_loop()
        queries, took = self._meters(zone)
        queries.inc()

        def pay() -> bool:
            paid = self._planner.pay(zone, loop.time(), for_test=for_test)
            if paid:
                queries.inc()
            return paid

        return await self.resolver.lookup(prefix + dns_list.wire, rdtype, AskingList(zone, pay, took))

    def _meters(self, zone: str) -> tuple[Counter, Callable[[float], None]]:
        """Return a list's counter and histogram of queries, cached: every query passes here."""
        meters = self._of_lists.get(zone)
        if meters is None:
            meters = (self._metrics.queries.labels(zone), self._metrics.query_seconds.labels(zone).observe)
            self._of_lists[zone] = meters
        return meters

    async def ask_if_paid(self, prefix: bytes, rdtype: int, dns_list: DnsList) -> Outcome:
        """Look up a name if the list's budget has room for a query, else return a failure."""
        if not self._planner.pay(dns_list.zone, asyncio.get_running_loop().time()):
            return Failure(Trouble.NO_BUDGET)
        return await self.ask(prefix, rdtype, dns_list)
