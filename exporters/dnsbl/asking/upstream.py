"""One address of a resolver: its UDP sockets, and the queries that wait for an answer.

The sockets are connected and have random ports, which are changed regularly (RFC 5452).
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from duckwatch.base.resources import shortage_of
from exporters.dnsbl.asking import wire
from exporters.dnsbl.verdicts.lookup_result import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckwatch.base.config.addresses import Endpoint

PORTS: Final = 16
QUERIES_A_PORT: Final = 512
"""A socket is replaced after this many queries, so that its port is hard to guess."""

DRAINED_AT_ONCE: Final = 64
_MAX_DATAGRAM: Final = 4096

FAILURES_TO_PASS_OVER: Final = 10
PASSED_OVER_SECONDS: Final = 30.0

Reply = bytes | Trouble
"""A datagram that answers the query, or the reason why there is none.

`Trouble.MALFORMED`: the answer repeats the question, but not the case of its letters.
"""


@dataclass(slots=True)
class _Port:
    """One socket, and the queries sent by it that wait for an answer."""

    socket: socket.socket
    waiting: dict[int, tuple[bytes, asyncio.Future[Reply]]] = field(default_factory=dict)
    sent: int = 0


class Upstream:
    """A resolver at `endpoint`.

    `on_ignored` is called with a reason for each datagram that answers no query, `on_shortage` with the name of the
    resource that a new socket lacked.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        on_ignored: Callable[[str], None],
        on_shortage: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.endpoint = endpoint
        self.in_flight = 0
        self._on_ignored = on_ignored
        self._on_shortage = on_shortage
        self._loop = asyncio.get_running_loop()
        self._ports: list[_Port] = []
        self._retired: set[int] = set()
        self._all: dict[int, _Port] = {}
        self._next = 0
        self.failures = 0
        self._failed_for: set[str] = set()
        self._passed_over_until = 0.0

    @property
    def is_up(self) -> bool:
        """False while the resolver is passed over after failures."""
        return self._passed_over_until <= self._loop.time()

    def begin(self) -> None:
        """Note a query about to be sent. After a pause, a failing resolver gets only this one query
        until it answers.
        """
        self.in_flight += 1
        if self._is_failing():
            self._passed_over_until = self._loop.time() + PASSED_OVER_SECONDS

    def end(self, *, failed: bool, dns_list: str) -> None:
        """Note a query's end. Failures for one list only do not count against the resolver."""
        self.in_flight -= 1
        if not failed:
            self.failures, self._passed_over_until = 0, 0.0
            self._failed_for.clear()
            return
        self.failures += 1
        self._failed_for.add(dns_list)
        if self._is_failing():
            self._passed_over_until = self._loop.time() + PASSED_OVER_SECONDS

    def _is_failing(self) -> bool:
        return self.failures >= FAILURES_TO_PASS_OVER and len(self._failed_for) > 1

    def send(self, asked: bytes, *, edns: bool) -> tuple[asyncio.Future[Reply], Callable[[], None]]:
        """Send a query with the question section `asked`. Return a future of the reply, and a function that gives it
        up.
        """
        reply: asyncio.Future[Reply] = self._loop.create_future()
        try:
            port = self._port()
        except OSError as error:
            if not self._has_port(error):
                reply.set_result(Trouble.UNREACHABLE)
                return reply, lambda: None
            port = self._ports[self._next % len(self._ports)]
        message_id = self._free_id(port)
        port.waiting[message_id] = (asked, reply)
        port.sent += 1
        try:
            port.socket.send(wire.query(message_id, asked, edns=edns))
        except OSError:
            reply.set_result(Trouble.UNREACHABLE)
        return reply, lambda: self._forget(port, message_id)

    def _has_port(self, error: OSError) -> bool:
        """Return True when resources lack for a new socket, but open ones can be used in its place."""
        if (word := shortage_of(error)) is not None:
            self._on_shortage(word)
        return word is not None and bool(self._ports)

    def _free_id(self, port: _Port) -> int:
        while (message_id := wire.RANDOM.getrandbits(16)) in port.waiting:
            pass
        return message_id

    def _port(self) -> _Port:
        if len(self._ports) < PORTS:
            self._ports.append(self._open())
        self._next = (self._next + 1) % len(self._ports)
        port = self._ports[self._next]
        if port.sent >= QUERIES_A_PORT:
            fresh = self._open()  # opened first: without a free descriptor the old socket stays in use
            self._retired.add(port.socket.fileno())
            self._close_if_done(port)
            port = self._ports[self._next] = fresh
        return port

    def _open(self) -> _Port:
        family = socket.AF_INET6 if ":" in self.endpoint.host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.settimeout(0)
        try:
            # The kernel chooses a random port, and drops datagrams from other addresses.
            opened.connect(tuple(self.endpoint))
        except OSError:
            opened.close()
            raise
        port = self._all[opened.fileno()] = _Port(opened)
        self._loop.add_reader(opened.fileno(), self._drain, port)
        return port

    def _close_if_done(self, port: _Port) -> None:
        number = port.socket.fileno()
        if number in self._retired and not port.waiting:
            self._retired.discard(number)
            self._close(port)

    def _close(self, port: _Port) -> None:
        number = port.socket.fileno()
        self._loop.remove_reader(number)
        self._all.pop(number, None)
        port.socket.close()

    def _forget(self, port: _Port, message_id: int) -> None:
        port.waiting.pop(message_id, None)
        self._close_if_done(port)

    def _drain(self, port: _Port) -> None:
        with suppress(BlockingIOError):
            for _ in range(DRAINED_AT_ONCE):
                try:
                    datagram = port.socket.recv(_MAX_DATAGRAM)
                except BlockingIOError:
                    raise
                except OSError:
                    # ICMP "port unreachable": no query that waits on this socket gets an answer.
                    for _, reply in port.waiting.values():
                        if not reply.done():
                            reply.set_result(Trouble.UNREACHABLE)
                    return
                self._take(port, datagram)

    def _take(self, port: _Port, datagram: bytes) -> None:
        message_id = wire.id_of(datagram)
        if message_id is None:
            self._on_ignored("malformed")
            return
        asked, reply = port.waiting.get(message_id, (b"", None))
        if reply is None or reply.done():
            self._on_ignored("id")
        elif wire.repeats(datagram, asked):
            reply.set_result(datagram)
        elif wire.repeats_but_case(datagram, asked):
            reply.set_result(Trouble.MALFORMED)
        else:
            self._on_ignored("question")

    def close(self) -> None:
        """Close every socket, and cancel the replies that are awaited."""
        for port in list(self._all.values()):
            for _, reply in port.waiting.values():
                reply.cancel()
            self._close(port)
