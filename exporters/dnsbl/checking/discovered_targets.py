"""Discovered targets: the addresses of configured host names, and the sending addresses that the collector has seen."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp

from exporters.dnsbl.asking.resolver import AskingList
from exporters.dnsbl.asking.wire import AAAA, A
from exporters.dnsbl.checking.current_verdicts import KEPT_INTERVALS
from exporters.dnsbl.lists import names
from exporters.dnsbl.planning.plan import PlannedTarget
from exporters.dnsbl.verdicts.lookup_result import Answer, Failure, Outcome, Trouble

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporters.dnsbl.asking import Resolver
    from exporters.dnsbl.config.model import CollectorSettings
    from exporters.dnsbl.planning.plan import Host

log = logging.getLogger(__name__)

SENDING_METRIC: Final = "duckwatch_sending_ip_events_total"
_SENDING: Final = re.compile(rf'^{SENDING_METRIC}\{{[^}}]*\blocal_ip="([0-9a-fA-F.:]+)"', re.ASCII | re.MULTILINE)
"""A regular expression is enough, no parser: an address has no character that the format escapes."""
SEEN_KEPT_SECONDS: Final = 86_400.0
_MAX_PAGE_BYTES: Final = 32 << 20
_TIMEOUT_SECONDS: Final = 10.0
_AT_ONCE: Final = 16
MAX_LOGGED: Final = 10
"""Most names logged one by one when many begin or cease to resolve at once."""


@dataclass(frozen=True, slots=True)
class _KnownAddresses:
    """The addresses of one family that a name last had, and when it last resolved to them."""

    addresses: tuple[str, ...]
    at: float


PRIVATE: Final = "private_address"
_NOT_ASKED: Final = "its resolver gave no answer"
NAME_FAULTS: Final[Mapping[str, tuple[str, str]]] = {
    "no_such_name": ("there is no such name", "correct the name in dnsbl.targets, or create its record in DNS"),
    "no_address": (
        "the name has neither an IPv4 nor an IPv6 address",
        (
            "create its A or AAAA record in DNS, or set treat_as: "
            "domain if only lists of domains have to be asked about it"
        ),
    ),
    PRIVATE: (
        "the name has private addresses only, which no list can know",
        "map them to the addresses that the world sees (dnsbl.public_ips), or name those in dnsbl.targets",
    ),
} | {
    trouble.value: (
        f"{_NOT_ASKED}: {trouble.value.replace('_', ' ')}",
        "check the name's DNS zone, and dnsbl.resolvers",
    )
    for trouble in Trouble
}
"""Fault of a host name -> its meaning, and what to do."""


def fault_of(outcomes: Mapping[int, Outcome], public: Mapping[str, str]) -> str | None:
    """Return the fault of a name that resolved to these outcomes: a key of NAME_FAULTS, or None.

    Addresses behind NAT are judged by their public address.
    """
    addresses = [public.get(address, address) for outcome in outcomes.values() for address in _addresses(outcome)]
    if addresses:
        return PRIVATE if all(map(names.is_private_address, addresses)) else None
    if any(isinstance(outcome, Answer) and outcome.no_such_name for outcome in outcomes.values()):
        return "no_such_name"
    failed = [outcome.trouble.value for outcome in outcomes.values() if isinstance(outcome, Failure)]
    return failed[0] if failed else "no_address"


class HostNames:
    """The addresses of configured names.

    Addresses are kept for three intervals while their lookup fails, as verdicts are. Each address family is kept by
    itself, because the lookup of one may fail alone. A name that now has addresses of the other family only loses
    those of this one.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], _KnownAddresses] = {}
        self.faults: dict[str, str] = {}
        """Name -> its fault (a key of NAME_FAULTS), for each name without an address that a list can know."""

    async def resolve(
        self, hosts: Sequence[Host], resolver: Resolver, interval: float, public: Mapping[str, str]
    ) -> None:
        """Resolve all names. `interval` (seconds) is that of names without one of their own."""
        gate = asyncio.Semaphore(_AT_ONCE)
        found = await asyncio.gather(*(_lookups(host.name, resolver, gate) for host in hosts))
        now = asyncio.get_running_loop().time()
        for host, outcomes in zip(hosts, found, strict=True):
            own = host.interval.total_seconds() if host.interval is not None else interval
            self.note(host.name, outcomes, now, KEPT_INTERVALS * own)
        names_left = {host.name for host in hosts}
        self._known = {key: known for key, known in self._known.items() if key[0] in names_left}
        self._note_faults({host.name: fault_of(outcomes, public) for host, outcomes in zip(hosts, found, strict=True)})

    def _note_faults(self, found: Mapping[str, str | None]) -> None:
        """Keep the fault of each name, and log when a fault begins and ends; at most MAX_LOGGED names one by one."""
        begun = [name for name, fault in found.items() if fault is not None and name not in self.faults]
        ended = [name for name in self.faults if name in found and found[name] is None]
        for name in begun[:MAX_LOGGED]:
            fields = {"target": name, "problem": found[name], "to_do": NAME_FAULTS[found[name] or ""][1]}
            is_private = found[name] == PRIVATE
            message = "a target has private addresses only" if is_private else "a target does not resolve"
            log.warning(message, extra={"fields": fields})
        for name in ended[:MAX_LOGGED]:
            log.info("a target resolves again", extra={"fields": {"target": name}})
        for message, more in (
            ("more targets do not resolve", len(begun)),
            ("more targets resolve again", len(ended)),
        ):
            if more > MAX_LOGGED:
                log.warning(message, extra={"fields": {"targets": more - MAX_LOGGED}})
        self.faults = {name: fault for name, fault in found.items() if fault is not None}

    def note(self, name: str, outcomes: Mapping[int, Outcome], now: float, kept_seconds: float) -> None:
        """Take in the outcomes of a name's lookups, by record type."""
        is_there = any(map(_addresses, outcomes.values()))
        for rdtype, outcome in outcomes.items():
            known = self._known.get((name, rdtype))
            if addresses := _addresses(outcome):
                self._known[name, rdtype] = _KnownAddresses(addresses, now)
            elif known and ((is_there and isinstance(outcome, Answer)) or now - known.at > kept_seconds):
                del self._known[name, rdtype]

    def targets(self, hosts: Sequence[Host], public: Mapping[str, str]) -> list[PlannedTarget]:
        """Return every known address of these names as a target."""
        return [
            PlannedTarget(names.target(public.get(address, address)), host.interval, host.name)
            for host in hosts
            for rdtype in (A, AAAA)
            if (host.name, rdtype) in self._known
            for address in self._known[host.name, rdtype].addresses
        ]


async def _lookups(name: str, resolver: Resolver, gate: asyncio.Semaphore) -> dict[int, Outcome]:
    asker = AskingList("", lambda: True, lambda _: None)
    wire = names.domain_wire(name) + b"\0"
    async with gate:
        return {rdtype: await resolver.lookup(wire, rdtype, asker) for rdtype in (A, AAAA)}


def _addresses(outcome: Outcome) -> tuple[str, ...]:
    return tuple(filter(_is_address, outcome.records)) if isinstance(outcome, Answer) else ()


class SeenAddresses:
    """The sending addresses that the collector's metrics name.

    Each is kept for a day after it was last seen there, because the collector's counters begin anew at its restart and
    an address may send nothing for hours. So a listing stays visible through a restart.
    """

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    async def read(self, link: CollectorSettings) -> None:
        """Read the collector's /metrics. If that fails, the known addresses stay."""
        page = await _page(f"{link.url}/metrics")
        if page is not None:
            self.note(page, asyncio.get_running_loop().time())

    def note(self, page: str, now: float) -> None:
        """Take in a page of metrics."""
        self._last |= dict.fromkeys(filter(_is_address, _SENDING.findall(page)), now)
        self._last = {text: last for text, last in self._last.items() if now - last <= SEEN_KEPT_SECONDS}

    def targets(self, public: Mapping[str, str]) -> list[PlannedTarget]:
        """Return the addresses as targets: mapped to their public address, private ones left out."""
        texts = dict.fromkeys(public.get(text, text) for text in map(_canonical, self._last))
        return [PlannedTarget(names.target(text)) for text in texts if not names.is_private_address(text)]


async def _page(url: str) -> str | None:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_TIMEOUT_SECONDS)) as session,
            session.get(url, headers={"Accept": "text/plain"}) as answer,
        ):
            page = await answer.content.read(_MAX_PAGE_BYTES) if answer.status == 200 else None
            # One read may return only a part of the page.
            while page is not None and not answer.content.at_eof() and len(page) < _MAX_PAGE_BYTES:
                page += await answer.content.read(_MAX_PAGE_BYTES - len(page))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
    return None if page is None else page.decode("utf-8", "replace")


def _canonical(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
