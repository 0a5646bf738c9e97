"""The demo's DNS blocklists: a name server on loopback for made-up zones.

One zone lists a sending address during the day's incident, the other lists another address all the time.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from duckwatch.demo.cast import LISTED_ADDRESS, STANDING_ADDRESS
from duckwatch.demo.day import DAY_SECONDS, Incidents, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckwatch.demo.day import Day

STERN, CALM = "bl.lists.example", "calm.lists.example"
"""The list of the incident, because of which receivers refuse mail, and the list of the permanent listing, which is
for information only.

`.example` is reserved (RFC 2606).
"""

CODE: Final = "127.0.0.2"
MEANING: Final = "sends unsolicited bulk mail"
STANDING_MEANING: Final = "sends much mail; no reason to refuse it"
TTL_SECONDS: Final = 5
_TEST_POINT: Final = "2.0.0.127"
_SOA: Final = "ns.lists.example. hostmaster.lists.example. 1 60 60 60 5"


def _reversed(address: str) -> str:
    return ".".join(reversed(address.split(".")))


_STANDING: Final = f"{_reversed(STANDING_ADDRESS)}.{CALM}"


class BlockLists(asyncio.DatagramProtocol):
    """Answers for the lists and their test points as RFC 5782 requires. `now` returns epoch ms."""

    def __init__(self, day: Day, now: Callable[[], int]) -> None:
        self._day, self._now, self._incidents = day, now, Incidents()
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))

    @property
    def address(self) -> str:
        """Its address, as the exporter's setting `resolvers` takes it."""
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")[:2]
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio declares a wider type than it passes
        """Keep the transport."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a query."""
        assert self._transport is not None
        # A datagram that is not a DNS query gets no answer.
        with contextlib.suppress(dns.exception.DNSException, IndexError):
            self._transport.sendto(self._answer(dns.message.from_wire(data)).to_wire(), addr)

    def _answer(self, question: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.AA
        asked = question.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        if not self._is_listed(name):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif asked.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(asked.name, TTL_SECONDS, "IN", "A", CODE))
            return answer
        elif asked.rdtype == dns.rdatatype.TXT:
            answer.answer.append(dns.rrset.from_text(asked.name, TTL_SECONDS, "IN", "TXT", f'"{self._reason(name)}"'))
            return answer
        answer.authority.append(dns.rrset.from_text("lists.example.", TTL_SECONDS, "IN", "SOA", _SOA))
        return answer

    def _is_listed(self, name: str) -> bool:
        if name in {f"{_TEST_POINT}.{STERN}", f"{_TEST_POINT}.{CALM}"}:
            return True
        if name == _STANDING:
            return True
        is_now = within(self._incidents.listed, self._day.elapsed(self._now()))
        return is_now and name == f"{_reversed(LISTED_ADDRESS)}.{STERN}"

    def _reason(self, name: str) -> str:
        return f"{STANDING_ADDRESS} {STANDING_MEANING}" if name == _STANDING else reason()


def reason() -> str:
    """Return the text of the list's TXT record."""
    return f"{LISTED_ADDRESS} {MEANING}, see https://{STERN}/why"


def yesterday(day: Day) -> list[dict[str, Any]]:
    """Return the results that an exporter would have posted of the incident on the day before the start
    (docs/dnsbl.md).

    Empty if the run has no history of that time.
    """
    midnight = day.live_from - DAY_SECONDS * 1_000
    begins, ends = (round(midnight + part * DAY_SECONDS * 1_000) for part in Incidents().listed)
    if begins < day.begins:
        return []
    listed = {"codes": [CODE], "meanings": [MEANING], "severity": "critical", "reason": reason(), "previous": "clean"}
    return [_result(begins, "listed") | listed, _result(ends, "clean") | {"previous": "listed"}]


def _result(time: int, verdict: str) -> dict[str, Any]:
    return {
        "time": time,
        "target": LISTED_ADDRESS,
        "list": STERN,
        "verdict": verdict,
        "standing": verdict,
        "standing_since": time,
    }
