"""A lookup: up to three queries, each to the next resolver, and TCP for a truncated answer.

The last query is plain, for servers that support neither EDNS nor the random case of letters.
Resolvers share the load, and replace each other when one fails.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import dns.asyncquery
import dns.exception
import dns.message

from exporters.dnsbl.asking import wire
from exporters.dnsbl.asking.upstream import Upstream
from exporters.dnsbl.verdicts.lookup_result import Answer, Failure, Outcome, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from duckwatch.base.config.addresses import Endpoint
    from exporters.dnsbl.asking.upstream import Reply

TRIES: Final = 3
FAILURES_TO_LOOK_AGAIN: Final = 3
"""Failures of one address in a row after which the resolver's host name is resolved again."""

_LOST: Final = (Trouble.TIMEOUT, Trouble.UNREACHABLE)
"""Failures of the resolver itself. The others are answers of a server behind it."""


class AskingList(NamedTuple):
    """The list that a lookup is made for.

    `pay` pays for one further query and returns False without budget. `took` is called with a query's seconds.
    """

    dns_list: str
    pay: Callable[[], bool]
    took: Callable[[float], None]


class Resolver:
    """All resolvers. A lookup waits when each resolver has `in_flight` queries under way.

    `labels` are the resolvers' names in metrics, if not their addresses. `missing` names those without an address now.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        timeout_seconds: float,
        in_flight: int,
        on_ignored: Callable[[str], None] = lambda _: None,
        labels: Mapping[Endpoint, str] | None = None,
        missing: Sequence[str] = (),
        on_shortage: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._labels, self._missing = labels or {}, missing
        self._upstreams = [Upstream(endpoint, on_ignored, on_shortage) for endpoint in endpoints]
        self._timeout, self._in_flight = timeout_seconds, in_flight
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._deadlines: deque[tuple[float, asyncio.Future[Reply]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._plain: set[str] = set()
        self._turn = 0

    @property
    def free_places(self) -> int:
        """The number of queries that may be sent now without waiting."""
        if not self._upstreams:
            return self._in_flight  # a lookup fails at once, it does not wait
        usable = [one for one in self._upstreams if one.is_up] or self._upstreams
        return sum(max(0, self._in_flight - one.in_flight) for one in usable) - len(self._waiting)

    def states(self) -> dict[str, bool]:
        """Return whether each resolver is up. One of its addresses is enough."""
        states = dict.fromkeys(self._missing, False)
        for one in self._upstreams:
            label = self._label(one)
            states[label] = states.get(label, False) or one.is_up
        return states

    def failing(self) -> set[str]:
        """Return the resolvers with an address that has failed several times in a row."""
        return {self._label(one) for one in self._upstreams if one.failures >= FAILURES_TO_LOOK_AGAIN}

    def _label(self, upstream: Upstream) -> str:
        return self._labels.get(upstream.endpoint, str(upstream.endpoint))

    async def lookup(self, name: bytes, rdtype: int, asker: AskingList) -> Outcome:
        """Look up a name, given in wire format. The caller has paid for the first query; `asker` pays for the further
        ones.
        """
        if not self._upstreams:
            return Failure(Trouble.UNREACHABLE)
        outcome: Outcome = Failure(Trouble.NO_BUDGET)
        tried: list[Upstream] = []
        plain = asker.dns_list in self._plain
        for number in range(TRIES):
            if number > 0 and not asker.pay():
                break
            upstream = await self._place(tried)
            tried.append(upstream)
            plain = plain or number == TRIES - 1
            outcome, wants_plain = await self._try(upstream, name, rdtype, asker, plain=plain)
            if isinstance(outcome, Answer) or outcome.trouble is Trouble.NO_BUDGET:
                break
            if wants_plain and not plain:
                plain = True
            elif outcome.trouble not in _LOST and len(set(tried)) == len(self._upstreams):
                break  # every resolver has answered, and would give the same answer again
        if outcome == Failure(Trouble.TIMEOUT) and not any(one.is_up for one in self._upstreams):
            return Failure(Trouble.UNREACHABLE)  # no resolver answers anything, so this list is not to blame
        return outcome

    async def _try(
        self, upstream: Upstream, name: bytes, rdtype: int, asker: AskingList, *, plain: bool
    ) -> tuple[Outcome, bool]:
        """Send one query. Return its outcome, and whether a plain query may succeed instead."""
        asked = wire.question(name if plain else wire.scrambled(name), rdtype)
        started = self._loop.time()
        upstream.begin()
        reply: Reply = Trouble.TIMEOUT
        try:
            future, forget = upstream.send(asked, edns=not plain)
            self._deadline(started + self._timeout, future)
            try:
                reply = await future
            finally:
                forget()
        finally:
            upstream.end(failed=reply in _LOST, dns_list=asker.dns_list)
            self._free()
        if isinstance(reply, Trouble):
            if reply is Trouble.MALFORMED:
                self._plain.add(asker.dns_list)
            return Failure(reply), reply is Trouble.MALFORMED
        asker.took(self._loop.time() - started)
        if wire.is_truncated(reply):
            return await self._over_tcp(upstream, asked, asker), False
        outcome = wire.read_answer(reply, asked)
        return outcome, isinstance(outcome, Failure) and outcome.trouble in (Trouble.OTHER_RCODE, Trouble.MALFORMED)

    async def _over_tcp(self, upstream: Upstream, asked: bytes, asker: AskingList) -> Outcome:
        if not asker.pay():
            return Failure(Trouble.TRUNCATED)
        query = dns.message.from_wire(wire.query(wire.RANDOM.getrandbits(16), asked, edns=True))
        upstream.begin()
        failed = True
        try:
            # dnspython checks the answer's id and question against the query.
            answer = await dns.asyncquery.tcp(query, upstream.endpoint.host, self._timeout, upstream.endpoint.port)
            failed = False
            return wire.read_message(answer)
        except dns.exception.Timeout:
            return Failure(Trouble.TIMEOUT)
        except OSError:
            return Failure(Trouble.UNREACHABLE)
        except Exception:  # noqa: BLE001 - dnspython may raise anything for malformed bytes
            return Failure(Trouble.MALFORMED)
        finally:
            upstream.end(failed=failed, dns_list=asker.dns_list)
            self._free()

    async def _place(self, tried: Sequence[Upstream]) -> Upstream:
        """Return the next resolver with a free place, if possible one that is up and not tried yet."""
        while True:
            usable = [one for one in self._upstreams if one.in_flight < self._in_flight]
            if usable:
                self._turn += 1
                order = usable[self._turn % len(usable) :] + usable[: self._turn % len(usable)]
                return min(order, key=lambda one: (not one.is_up, tried.count(one)))
            turn: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(turn)
            await turn

    def _free(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _deadline(self, at: float, reply: asyncio.Future[Reply]) -> None:
        """Set a reply's deadline. Every query has the same timeout, so deadlines come in order and
        one timer is enough.
        """
        while self._deadlines and self._deadlines[0][1].done():
            self._deadlines.popleft()
        self._deadlines.append((at, reply))
        if self._timer is None:
            self._timer = self._loop.call_at(at, self._expire)

    def _expire(self) -> None:
        now = self._loop.time()
        while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][1].done()):
            _, reply = self._deadlines.popleft()
            if not reply.done():
                reply.set_result(Trouble.TIMEOUT)
        self._timer = self._loop.call_at(self._deadlines[0][0], self._expire) if self._deadlines else None

    def close(self) -> None:
        """Close every socket and cancel the lookups under way."""
        if self._timer is not None:
            self._timer.cancel()
        for turn in self._waiting:
            with suppress(asyncio.InvalidStateError):
                turn.cancel()
        for upstream in self._upstreams:
            upstream.close()
