"""A name server on loopback with a chosen behaviour for each zone: refusals, SERVFAIL, silence, wrong answers,
truncation.

To the exporter it is authoritative server and resolver in one. It serves UDP and TCP on one port, and keeps every
query in `queries`.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

TTL = 60


@dataclass(frozen=True)
class Query:
    """One received query."""

    message: dns.message.Message
    tcp: bool
    at: float
    port: int

    @property
    def name(self) -> str:
        """The name in the question, in lower case, without the last dot."""
        return self.message.question[0].name.to_text().lower().rstrip(".")

    @property
    def rdtype(self) -> dns.rdatatype.RdataType:
        return self.message.question[0].rdtype

    def answer(
        self, records: Iterable[str] = (), *, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, soa: str = "", ttl: int = TTL
    ) -> dns.message.Message:
        """Return an answer with these records of the asked type, or without records and with the SOA of `soa`."""
        made = dns.message.make_response(self.message)
        made.set_rcode(rcode)
        made.flags |= dns.flags.RA
        texts = list(records)
        if texts:
            made.answer.append(dns.rrset.from_text(self.message.question[0].name, ttl, "IN", self.rdtype, *texts))
        elif soa:
            made.authority.append(dns.rrset.from_text(f"{soa}.", ttl, "IN", "SOA", f"ns.{soa}. h.{soa}. 1 2 3 4 {ttl}"))
        return made


class Zone:
    """A list that works, with test points (RFC 5782, 5). `listed` maps names below the zone to their addresses."""

    def __init__(
        self,
        zone: str,
        listed: Mapping[str, list[str]] | None = None,
        *,
        reasons: Mapping[str, str] | None = None,
        tests: bool = True,
    ) -> None:
        self.zone = zone
        self.ttl = TTL
        self.listed = {f"{name}.{zone}": codes for name, codes in (listed or {}).items()}
        self.reasons = {f"{name}.{zone}": text for name, text in (reasons or {}).items()}
        if tests:
            for point in ("2.0.0.127", mapped("2"), "test"):
                self.listed[f"{point}.{zone}"] = ["127.0.0.2"]

    def message(self, query: Query) -> dns.message.Message:
        """Return the answer to a query."""
        codes = self.listed.get(query.name)
        if codes is None:
            return query.answer(rcode=dns.rcode.NXDOMAIN, soa=self.zone, ttl=self.ttl)
        if query.rdtype == dns.rdatatype.A:
            return query.answer(codes, ttl=self.ttl)
        reason = self.reasons.get(query.name)
        return query.answer([f'"{reason}"'] if reason and query.rdtype == dns.rdatatype.TXT else [], soa=self.zone)

    def __call__(self, query: Query) -> list[bytes]:
        return [self.message(query).to_wire()]


def mapped(last: str) -> str:
    """Return the name of ::ffff:7f00:<last> in an IPv6 list (RFC 5782, 2.4)."""
    nibbles = "0000000000000000" + "0000" + "ffff" + "7f00" + last.rjust(4, "0")
    return ".".join(reversed(nibbles))


def rcode(code: dns.rcode.Rcode) -> Callable[[Query], list[bytes]]:
    """Return a behaviour that answers every query with this rcode."""
    return lambda query: [query.answer(rcode=code).to_wire()]


def silent(query: Query) -> list[bytes]:
    """Never answer."""
    return []


def everything(*codes: str) -> Callable[[Query], list[bytes]]:
    """Return a behaviour that answers every name with these addresses, as a wildcard does."""
    return lambda query: [query.answer(codes if query.rdtype == dns.rdatatype.A else ()).to_wire()]


def lame(query: Query) -> list[bytes]:
    """Answer with a referral: the server does not serve the zone and names another."""
    made = query.answer()
    made.authority.append(dns.rrset.from_text("example.", TTL, "IN", "NS", "ns.elsewhere.example."))
    return [made.to_wire()]


def empty(query: Query) -> list[bytes]:
    """Answer NOERROR without records."""
    return [query.answer(soa="example").to_wire()]


def looping(query: Query) -> list[bytes]:
    """Answer with a CNAME that points to itself."""
    made = query.answer()
    name = query.message.question[0].name
    made.answer.append(dns.rrset.from_text(name, TTL, "IN", "CNAME", name.to_text()))
    return [made.to_wire()]


def truncating(zone: Zone) -> Callable[[Query], list[bytes]]:
    """Return a behaviour that truncates every answer over UDP."""

    def behave(query: Query) -> list[bytes]:
        if query.tcp:
            return zone(query)
        made = query.answer()
        made.flags |= dns.flags.TC
        return [made.to_wire()]

    return behave


def with_wrong_id(zone: Zone, *, then_right: bool = False) -> Callable[[Query], list[bytes]]:
    """Return a behaviour that sends a false listing with another id, alone or before the right answer."""

    def behave(query: Query) -> list[bytes]:
        forged = query.answer(["127.0.0.2"] if query.rdtype == dns.rdatatype.A else []).to_wire()
        other = struct.pack("!H", (query.message.id + 1) % 65536) + forged[2:]
        return [other, *(zone(query) if then_right else [])]

    return behave


def with_wrong_question(zone: Zone, *, then_right: bool = False) -> Callable[[Query], list[bytes]]:
    """Return a behaviour that sends a false listing of another name with the right id, alone or before the right
    answer.
    """

    def behave(query: Query) -> list[bytes]:
        other = dns.message.make_query(f"x.{zone.zone}.", "A", id=query.message.id)
        forged = dns.message.make_response(other)
        forged.answer.append(dns.rrset.from_text(f"x.{zone.zone}.", TTL, "IN", "A", "127.0.0.2"))
        return [forged.to_wire(), *(zone(query) if then_right else [])]

    return behave


def folding(zone: Zone) -> Callable[[Query], list[bytes]]:
    """Return a behaviour that answers with the question in lower case."""

    def behave(query: Query) -> list[bytes]:
        made = zone.message(query)
        lower = dns.name.from_text(f"{query.name}.")
        made.question[0].name = lower
        for rrset in made.answer:
            rrset.name = lower
        return [made.to_wire()]

    return behave


def without_edns(zone: Zone) -> Callable[[Query], list[bytes]]:
    """Return a behaviour that answers FORMERR to a query with EDNS."""

    def behave(query: Query) -> list[bytes]:
        return rcode(dns.rcode.FORMERR)(query) if query.message.edns >= 0 else zone(query)

    return behave


def garbage(query: Query) -> list[bytes]:
    """Answer with the right id and question, then random bytes."""
    wire = query.answer(["127.0.0.2"] if query.rdtype == dns.rdatatype.A else []).to_wire()
    return [wire[:-3]]


@dataclass(frozen=True)
class SlowAnswer:
    """A behaviour that answers after some seconds."""

    zone: Zone
    seconds: float

    def __call__(self, query: Query) -> list[bytes]:
        return self.zone(query)


def forwarding(port: int, seconds: float = 0.3) -> Callable[[Query], list[bytes]]:
    """Return a behaviour that forwards to a server on another port. Without an answer in time it stays silent."""

    def behave(query: Query) -> list[bytes]:
        try:
            return [dns.query.udp(query.message, "127.0.0.1", seconds, port).to_wire()]
        except (OSError, dns.exception.DNSException):
            return []

    return behave


def _one_port(port: int) -> tuple[socket.socket, socket.socket]:
    """Return UDP and TCP sockets on `port`; for 0 on a port that is free for both."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", port))
        try:
            return udp, socket.create_server(udp.getsockname(), backlog=64)
        except OSError:
            udp.close()
            if port:
                raise


class NameServer:
    """Serves `zones` (suffix -> behaviour) until closed. A name in no zone is REFUSED.

    Zones may be changed at any time. `port` 0 means any free port.
    """

    def __init__(self, zones: Mapping[str, Callable[[Query], list[bytes]]] | None = None, port: int = 0) -> None:
        self.zones = dict(zones or {})
        self.queries: list[Query] = []
        self._udp, self._tcp = _one_port(port)
        self.port: int = self._udp.getsockname()[1]
        self._closed = False
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    @property
    def is_closed(self) -> bool:
        return self._closed

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def asked(self, suffix: str = "", rdtype: str | None = None) -> list[Query]:
        """Return the queries for names of a zone so far."""
        return [
            query
            for query in list(self.queries)
            if query.name.endswith(suffix) and (rdtype is None or dns.rdatatype.to_text(query.rdtype) == rdtype)
        ]

    def _behaviour(self, name: str) -> Callable[[Query], list[bytes]]:
        for zone, behaviour in sorted(self.zones.items(), key=lambda one: -len(one[0])):
            if name == zone or name.endswith(f".{zone}"):
                return behaviour
        return rcode(dns.rcode.REFUSED)

    def _replies(self, wire: bytes, port: int, *, tcp: bool) -> tuple[list[bytes], float]:
        query = Query(dns.message.from_wire(wire), tcp, time.monotonic(), port)
        self.queries.append(query)
        behaviour = self._behaviour(query.name)
        return behaviour(query), behaviour.seconds if isinstance(behaviour, SlowAnswer) else 0.0

    def _serve_udp(self) -> None:
        while not self._closed:
            try:
                wire, sender = self._udp.recvfrom(4096)
            except OSError:
                return
            if sender is None:  # the socket was shut down
                return
            replies, delay = self._replies(wire, sender[1], tcp=False)
            if delay:
                timer = threading.Timer(delay, self._send, (replies, sender))
                timer.daemon = True
                timer.start()
            else:
                self._send(replies, sender)

    def _send(self, replies: list[bytes], sender: tuple[str, int]) -> None:
        try:
            for reply in replies:
                self._udp.sendto(reply, sender)
        except OSError:
            return

    def _serve_tcp(self) -> None:
        while not self._closed:
            try:
                connection, sender = self._tcp.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    length = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))[0]
                    wire = connection.recv(length, socket.MSG_WAITALL)
                    for reply in self._replies(wire, sender[1], tcp=True)[0]:
                        connection.sendall(struct.pack("!H", len(reply)) + reply)
                except (OSError, struct.error):
                    continue

    def close(self) -> None:
        """Stop serving and free the port."""
        self._closed = True
        for one in (self._udp, self._tcp):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
