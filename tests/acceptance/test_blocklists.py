"""Test the DNSBL exporter with a real Prometheus and the real alert rules while lists and resolvers fail and recover.

Two resolvers forward to two rbldnsd. All intervals are 30 times shorter than in production: the exporter's interval is
10 s instead of 5 min, and the rules' `for` and `keep_firing_for` are divided by 30.
`DUCKWATCH_DNSBL_STORM=long` (`make dnsbl-storm`) runs a storm of ten minutes.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dns.rcode
import pytest

from duckwatch.rules.adapt import Adaptation, adapted
from duckwatch.rules.pack import dump, rule_files
from tests.servers import nameserver as behave
from tests.servers.dnsbl import DnsblExporter
from tests.servers.fixtures import need
from tests.servers.nameserver import NameServer, Zone
from tests.servers.process import wait_until
from tests.servers.prometheus import Prometheus
from tests.servers.rbldnsd import Rbldnsd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IS_LONG = os.environ.get("DUCKWATCH_DNSBL_STORM") == "long"
FASTER = 30
STEADY, FRAIL, REFUSING, LYING = "steady.example", "frail.example", "refusing.example", "lying.example"
SIX = "six.example"
BAD, GOOD = "192.0.2.1", "192.0.2.2"

Act = tuple[float, str]
SHORT_STORM: list[Act] = [
    (3, "frail hangs"),
    (6, "refusing refuses"),
    (9, "lying lists everything"),
    (14, "first resolver is gone"),
    (24, "first resolver is back"),
    (28, "refusing answers"),
    (30, "lying is honest"),
    (36, "second resolver is silent"),
    (44, "second resolver is back"),
    (46, "both resolvers are silent"),
    (54, "both resolvers are back"),
    (56, "frail goes on"),
    (75, "the end"),
]
LONG_STORM: list[Act] = [
    (20, "frail hangs"),
    (50, "refusing refuses"),
    (80, "lying lists everything"),
    (130, "refusing answers"),
    (150, "frail goes on"),
    (170, "lying is honest"),
    (190, "first resolver is gone"),
    (250, "first resolver is back"),
    (270, "second resolver is silent"),
    (330, "second resolver is back"),
    (345, "both resolvers are silent"),
    (368, "both resolvers are back"),
    (380, "refusing fails"),
    (390, "frail hangs"),
    (410, "refusing answers"),
    (430, "frail goes on"),
    (440, "lying loses its data"),
    (500, "lying is honest"),
    (510, "first resolver is silent"),
    (530, "first resolver is back"),
    (600, "the end"),
]


class BlocklistStorm:
    """The lists, the resolvers, the exporter and Prometheus, and the faults that a test can cause in them."""

    def __init__(self, folder: Path, logs: Path) -> None:
        address = f":127.0.0.2:why $\n127.0.0.2\n{BAD}\n"
        self._steady = Rbldnsd(
            logs,
            {STEADY: ("ip4set", address), SIX: ("ip6trie", ":127.0.0.3:six\n::ffff:7f00:2\n2001:db8::5\n")},
        )
        self._frail = Rbldnsd(logs, {FRAIL: ("ip4set", address)})
        self._honest = Zone(LYING, {"1.2.0.192": ["127.0.0.2"]})
        self._answering = Zone(REFUSING, {"1.2.0.192": ["127.0.0.2"]})
        self._honest.ttl = self._answering.ttl = 1
        self._ways: dict[str, Callable[[behave.Query], list[bytes]]] = {
            "refusing answers": self._answering,
            "refusing refuses": behave.everything("127.255.255.254"),
            "refusing fails": behave.rcode(dns.rcode.SERVFAIL),
            "lying is honest": self._honest,
            "lying lists everything": behave.everything("127.0.0.2"),
            "lying loses its data": Zone(LYING, tests=False),
        }
        self._silent: set[int] = set()
        self.zones: dict[str, Callable[[behave.Query], list[bytes]]] = {
            STEADY: behave.forwarding(self._steady.port),
            SIX: behave.forwarding(self._steady.port),
            FRAIL: behave.forwarding(self._frail.port),
            REFUSING: self._answering,
            LYING: self._honest,
        }
        self._resolvers = [NameServer(self.zones), NameServer(self.zones)]
        self.exporter = DnsblExporter(
            folder,
            logs,
            {
                "resolvers": [one.address for one in self._resolvers],
                "timeout": "500ms",
                "interval": "10s",
                "targets": ["192.0.2.0/29", "2001:db8::4/127"],
                "lists": [
                    *({"zone": zone, "severity": "critical"} for zone in (STEADY, FRAIL, REFUSING, LYING)),
                    {"zone": SIX, "ipv4": False, "ipv6": True, "severity": "warning"},
                ],
            },
        )
        self.prometheus = Prometheus(
            folder / "prometheus",
            logs,
            {"duckwatch-dnsbl": [f"127.0.0.1:{self.exporter.port}"]},
            _faster(folder),
        )

    def start(self) -> None:
        for one in (self._steady, self._frail, self.exporter, self.prometheus):
            one.start()

    def happen(self, act: str) -> None:
        """Make one act happen. `act` is a text of the storm tables."""
        who, _, what = act.partition(" ")
        if who == "frail":
            self._frail.hang(hangs=what == "hangs")
        elif who in ("refusing", "lying"):
            self.zones[f"{who}.example"] = self._ways[act]
        elif what == "resolver is gone":
            self._resolvers[0].close()
        elif act == "first resolver is back" and self._resolvers[0].is_closed:
            self._resolvers[0] = NameServer(self.zones, self._resolvers[0].port)
        elif "resolver" in act:
            here = {"first": {0}, "second": {1}, "both": {0, 1}}[who]
            self._silent = self._silent | here if what.endswith("silent") else self._silent - here
        for number, resolver in enumerate(self._resolvers):
            resolver.zones = {"example": behave.silent} if number in self._silent else dict(self.zones)

    def stop(self) -> None:
        self.prometheus.stop()
        self.exporter.stop()
        for server in (self._steady, self._frail):
            server.stop()
        for resolver in self._resolvers:
            resolver.close()


def _faster(folder: Path) -> list[Path]:
    """Write copies of the rules about blocklists with each time divided by `FASTER`, and return their paths."""
    trial = Adaptation(faster=FASTER, scrape_interval=timedelta(seconds=1))
    made = []
    for path, document in rule_files().items():
        if not path.startswith("alerts/") or path == "alerts/reputation.yml":
            made.append(folder / path.replace("/", "-"))
            made[-1].write_text(dump(adapted(document, trial)))
    return made


@pytest.fixture
def storm(tmp_path: Path, server_logs: Path) -> Iterator[BlocklistStorm]:
    made = need(lambda: BlocklistStorm(tmp_path, server_logs))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _series(
    prometheus: Prometheus, promql: str, start: float, end: float
) -> dict[tuple[str, ...], list[tuple[float, float]]]:
    """Return the points of each series, one a second, by the labels that distinguish the series."""
    found = {}
    for one in prometheus.api("query_range", query=promql, start=f"{start:.3f}", end=f"{end:.3f}", step="1")["result"]:
        labels = one["metric"]
        key = tuple(labels[name] for name in ("alertname", "target", "list", "resolver") if name in labels)
        found[key] = [(float(at), float(value)) for at, value in one["values"]]
    return found


def _periods(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the start and end of each period in which a series has no gap."""
    starts = [points[0][0], *(later for (earlier, _), (later, _) in pairwise(points) if later - earlier > 1.5)]
    ends = [*(earlier for (earlier, _), (later, _) in pairwise(points) if later - earlier > 1.5), points[-1][0]]
    return list(zip(starts, ends, strict=True))


def _run(storm: BlocklistStorm, acts: list[Act]) -> tuple[float, float]:
    started = time.time()
    for at, act in acts:
        time.sleep(max(0.0, started + at - time.time()))
        if IS_LONG:
            print(f"{time.time() - started:6.1f} s  {act}", flush=True)
        storm.happen(act)
    return started, time.time()


def _told(figures: dict[str, Any], alerts: dict[tuple[str, ...], list[tuple[float, float]]], start: float) -> None:
    print("\n" + "  ".join(f"{name}={value}" for name, value in figures.items()))
    for key, points in sorted(alerts.items()):
        spans = ", ".join(f"{begin - start:.0f}-{end - start:.0f} s" for begin, end in _periods(points))
        print(f"  {' '.join(key)}: {spans}")


@pytest.mark.servers
def test_no_scrape_fails_no_alert_flaps_and_a_standing_listing_stays(storm: BlocklistStorm) -> None:
    """While lists and resolvers fail, each scrape succeeds, each target's listing stays right, and no alert flaps."""
    pairs = {(BAD, zone) for zone in (STEADY, FRAIL, REFUSING, LYING)}

    def all_listed() -> bool:
        alerts = storm.prometheus.query('ALERTS{alertname="DuckwatchDnsblListed", alertstate="firing"}')
        return {(dict(labels)["target"], dict(labels)["list"]) for labels in alerts} == pairs

    wait_until(all_listed, "what is listed is alerted", seconds=90)
    start, end = _run(storm, LONG_STORM if IS_LONG else SHORT_STORM)
    prometheus = storm.prometheus
    listed = _series(prometheus, "duckwatch_dnsbl_listed", start, end)
    alerts = _series(prometheus, 'ALERTS{alertstate="firing"}', start, end)
    scraped = prometheus.api("query", query=f'up{{job="duckwatch-dnsbl"}}[{round(end - start)}s]', time=f"{end:.3f}")[
        "result"
    ][0]["values"]
    failed = sum(value != "1" for _, value in scraped)
    _told({"seconds": round(end - start), "scrapes": len(scraped), "failed": failed}, alerts, start)
    assert scraped
    assert failed == 0
    _check_listings(listed, start, end)
    _check_alerts(alerts, pairs, start, end)


def _check_listings(listed: dict[tuple[str, ...], list[tuple[float, float]]], start: float, end: float) -> None:
    assert {value for _, value in listed[BAD, STEADY]} == {1.0}
    assert _periods(listed[BAD, STEADY]) == [(listed[BAD, STEADY][0][0], listed[BAD, STEADY][-1][0])]
    assert listed[BAD, STEADY][0][0] - start < 2
    assert end - listed[BAD, STEADY][-1][0] < 2
    for (target, zone), points in listed.items():
        expected = 1.0 if (target == BAD and zone != SIX) or target == "2001:db8::5" else 0.0
        assert {value for _, value in points} == {expected}, (target, zone)


def _check_alerts(
    alerts: dict[tuple[str, ...], list[tuple[float, float]]], pairs: set[tuple[str, str]], start: float, end: float
) -> None:
    periods = {key: _periods(points) for key, points in alerts.items()}
    for pair in pairs:
        ((begun, ended),) = periods.pop(("DuckwatchDnsblListed", *pair))
        assert begun - start < 2
        assert end - ended < 2
    by_name: dict[str, set[str]] = defaultdict(set)
    for (name, *of), spans in periods.items():
        by_name[name].add(of[-1] if of else "")
        troubles = 2 if IS_LONG else 1  # how often the storm breaks a list for longer than `for`
        assert len(spans) <= troubles, (name, of, spans)
    assert by_name.pop("DuckwatchDnsblListedMinor") == {SIX}
    assert by_name.pop("DuckwatchDnsblListUnhealthy", set()) <= {FRAIL, REFUSING, LYING}
    assert by_name.pop("DuckwatchDnsblListRefused", set()) <= {REFUSING}
    assert by_name.pop("DuckwatchDnsblChecksStale", set()) <= {FRAIL, REFUSING, LYING}
    assert all(address.startswith("127.0.0.1:") for address in by_name.pop("DuckwatchDnsblResolverDown", set()))
    assert not by_name
