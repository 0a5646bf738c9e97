"""A lookup: up to three queries, each to the next resolver;
the last one plain, for servers that keep neither case nor EDNS; TCP for what is truncated.
Resolvers share the work and stand in for each other.
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
"""In a row, by one address: a resolver that is configured by name may have another address since."""

_LOST: Final = (Trouble.TIMEOUT, Trouble.UNREACHABLE)
"""The resolver's failures; the others are answers of somebody behind it."""


class Asker(NamedTuple):
    """For whom a lookup is made: the list's label, how it pays for each further query,
    and who hears how long one took (seconds).
    """

    dns_list: str
    pay: Callable[[], bool]
    took: Callable[[float], None]


class Resolver:
    """The resolvers together. Lookups wait for a place when all have `in_flight` queries under way. `labels`:
    what each is called in metrics, if not by its address; `missing`: what those are called that have no address now.
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
        """How many queries may be sent now without waiting."""
        if not self._upstreams:
            return self._in_flight  # whoever asks learns at once that nobody can be asked
        usable = [one for one in self._upstreams if one.is_up] or self._upstreams
        return sum(max(0, self._in_flight - one.in_flight) for one in usable) - len(self._waiting)

    def states(self) -> dict[str, bool]:
        """Each resolver, and whether it is up: one of several addresses is enough."""
        states = dict.fromkeys(self._missing, False)
        for one in self._upstreams:
            label = self._label(one)
            states[label] = states.get(label, False) or one.is_up
        return states

    def failing(self) -> set[str]:
        """Return the resolvers of which an address has not answered several times in a row."""
        return {self._label(one) for one in self._upstreams if one.failures >= FAILURES_TO_LOOK_AGAIN}

    def _label(self, upstream: Upstream) -> str:
        return self._labels.get(upstream.endpoint, str(upstream.endpoint))

    async def lookup(self, name: bytes, rdtype: int, asker: Asker) -> Outcome:
        """Asks for a whole name on the wire. The first query is the caller's to pay;
        each further one is paid here, or not sent.
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
                break  # who has answered says the same again
        if outcome == Failure(Trouble.TIMEOUT) and not any(one.is_up for one in self._upstreams):
            return Failure(Trouble.UNREACHABLE)  # nobody answers anything: that is no fault of this list
        return outcome

    async def _try(
        self, upstream: Upstream, name: bytes, rdtype: int, asker: Asker, *, plain: bool
    ) -> tuple[Outcome, bool]:
        """One query; with its outcome, whether a plain one may fare better."""
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
        outcome = wire.read(reply, asked)
        return outcome, isinstance(outcome, Failure) and outcome.trouble in (Trouble.OTHER_RCODE, Trouble.MALFORMED)

    async def _over_tcp(self, upstream: Upstream, asked: bytes, asker: Asker) -> Outcome:
        if not asker.pay():
            return Failure(Trouble.TRUNCATED)
        query = dns.message.from_wire(wire.query(wire.RANDOM.getrandbits(16), asked, edns=True))
        upstream.begin()
        failed = True
        try:
            # dnspython holds the answer to the query's id and question.
            answer = await dns.asyncquery.tcp(query, upstream.endpoint.host, self._timeout, upstream.endpoint.port)
            failed = False
            return wire.read_message(answer)
        except dns.exception.Timeout:
            return Failure(Trouble.TIMEOUT)
        except OSError:
            return Failure(Trouble.UNREACHABLE)
        except Exception:  # noqa: BLE001 - anything that dnspython makes of a stranger's bytes
            return Failure(Trouble.MALFORMED)
        finally:
            upstream.end(failed=failed, dns_list=asker.dns_list)
            self._free()

    async def _place(self, tried: Sequence[Upstream]) -> Upstream:
        """Return the next resolver with a free place: one that is up and was not tried yet, if there is one."""
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
        """Every query has the same time, so that deadlines come in order and one timer is enough."""
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
        """Close every socket; lookups under way are cancelled."""
        if self._timer is not None:
            self._timer.cancel()
        for turn in self._waiting:
            with suppress(asyncio.InvalidStateError):
                turn.cancel()
        for upstream in self._upstreams:
            upstream.close()
