"""The running exporter against name servers on loopback, rbldnsd among them: verdicts, reload, probes, posting."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import resource
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import dns.rcode
import pytest
import yaml

from exporters.dnsbl.metrics import CATALOGUE
from tests import canaries
from tests.canaries import CANARY, REASON
from tests.servers import nameserver as behave
from tests.servers.dnsbl import DnsblExporter
from tests.servers.fixtures import need
from tests.servers.nameserver import NameServer, Zone
from tests.servers.process import free_port, wait_until
from tests.servers.rbldnsd import Rbldnsd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., DnsblExporter]

LISTED = {"1.2.0.192": ["127.0.0.2"]}
SECRET = f"{CANARY}key"
WHY = f"{REASON}, ask <abuse@bl.example>"


@pytest.fixture
def nameserver() -> Iterator[NameServer]:
    """Yield a name server whose zones the test sets."""
    server = NameServer()
    yield server
    server.close()


@pytest.fixture
def exporter(tmp_path: Path, server_logs: Path) -> Iterator[Make]:
    """Yield a function that starts exporters. Stop them at the end."""
    made: list[DnsblExporter] = []

    def make(resolver: str, **settings: Any) -> DnsblExporter:
        section = {"resolvers": [resolver], "timeout": "200ms", "interval": "10s", **settings}
        made.append(DnsblExporter(tmp_path, server_logs, section))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        assert one.stop() == 0


def test_lists_that_work_and_lists_that_do_not(nameserver: NameServer, exporter: Make) -> None:
    """Working lists give listed and clean; refusing, dead and list-everything lists give no verdict about a target."""
    nameserver.zones |= {
        "bl.example": Zone("bl.example", LISTED, reasons={"1.2.0.192": "<b>seen</b>"}),
        "all.example": behave.everything("127.0.0.2"),
        "refuse.example": behave.everything("127.255.255.254"),
        "dead.example": behave.silent,
        "parked.example": behave.everything("198.51.100.9"),
    }
    zones = list(nameserver.zones)
    one = exporter(nameserver.address, targets=["192.0.2.0/30"], lists=zones)
    wait_until(lambda: one.listed("192.0.2.3", "bl.example") is not None, "the list was asked")
    wait_until(
        lambda: one.value("duckwatch_dnsbl_verdicts_total", list="dead.example", verdict="error"),
        "the dead list was judged",
    )
    samples = one.metrics()
    stands = {tuple(value for _, value in labels): value for labels, value in samples["duckwatch_dnsbl_listed"].items()}
    assert stands == {("bl.example", f"192.0.2.{last}"): float(last == 1) for last in range(4)}
    assert list(samples["duckwatch_dnsbl_listing_info"]) == [
        (("code", "127.0.0.2"), ("list", "bl.example"), ("severity", "warning"), ("target", "192.0.2.1"))
    ]
    healthy = {labels[0][1]: value for labels, value in samples["duckwatch_dnsbl_list_healthy"].items()}
    assert healthy == {zone: float(zone == "bl.example") for zone in zones}
    for name, found in samples.items():
        known = next(n for n in (name, name.rpartition("_")[0]) if n in CATALOGUE)
        assert all({label for label, _ in labels} - {"le"} == set(CATALOGUE[known]) for labels in found)
    page = one.get("/")[1]
    assert "&lt;b&gt;seen&lt;/b&gt;" in page
    assert "<b>seen" not in page


TO_DO = "use a resolver of your own (dnsbl.resolvers), or register with the list"


def test_a_list_that_refuses_everything_is_refused_everywhere(
    nameserver: NameServer, exporter: Make, tmp_path: Path
) -> None:
    """A list that refuses every query is shown as such by metrics, page, probes, log and results, with a remedy."""
    nameserver.zones["bl.example"] = behave.everything("127.255.255.254")
    collector = Collector(refuses=0)
    one = exporter(
        nameserver.address,
        targets=["192.0.2.1"],
        lists=["bl.example"],
        collector={"url": f"http://127.0.0.1:{collector.server_port}"},
    )
    wait_until(collector.results, "the verdict was posted")
    states = {labels[1][1]: value for labels, value in one.metrics()["duckwatch_dnsbl_list_state"].items()}
    assert states == {"healthy": 0.0, "unhealthy": 0.0, "refused": 1.0, "unknown": 0.0}
    assert one.value("duckwatch_dnsbl_list_healthy", list="bl.example") == 0
    assert list(one.metrics()["duckwatch_dnsbl_verdicts_total"]) == [(("list", "bl.example"), ("verdict", "refused"))]
    result = collector.requests[0][2]["results"][0]
    assert (result["verdict"], result["meanings"][-1]) == ("refused", TO_DO)
    page = one.get("/")[1]
    assert '<td class="notice">refused<td>' in page
    words = [sys.executable, "-m", "exporters.dnsbl", "--config", str(tmp_path / "dnsbl.yml"), "probe", "192.0.2.1"]
    typed = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout
    debug = one.get("/probe?target=192.0.2.1&debug=true")[1]
    for said in (page, one.log.read_text(), typed, debug):
        assert "refuse" in said
        assert TO_DO in said
    collector.stop()


def test_a_target_that_does_not_resolve_is_seen(nameserver: NameServer, exporter: Make, tmp_path: Path) -> None:
    """A target that does not resolve is shown on the page, in the log once, in metrics and by probe, until it does."""
    hosts = nameserver.zones["mx.test"] = Zone("mx.test", {"good": ["192.0.2.1"]}, tests=False)
    nameserver.zones["bl.example"] = Zone("bl.example")
    hosts.ttl = 1
    one = exporter(nameserver.address, targets=["good.mx.test", "typo.mx.test"], lists=["bl.example"])
    wait_until(
        lambda: one.value("duckwatch_dnsbl_target_resolved", target="typo.mx.test") == 0, "it was found not to resolve"
    )
    assert one.value("duckwatch_dnsbl_target_resolved", target="good.mx.test") == 1
    assert one.value("duckwatch_dnsbl_names_unresolved") == 1
    assert '<td>typo.mx.test<td class="notice">does not resolve<td>there is no such name' in one.get("/")[1]
    words = [sys.executable, "-m", "exporters.dnsbl", "--config", str(tmp_path / "dnsbl.yml"), "probe", "typo.mx.test"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 3
    assert ended.stdout.startswith(
        "typo.mx.test does not resolve: there is no such name\n  what to do: correct the name"
    )
    assert "takes it" not in ended.stdout
    hosts.listed["typo.mx.test"] = ["192.0.2.2"]
    wait_until(
        lambda: one.value("duckwatch_dnsbl_target_resolved", target="typo.mx.test") == 1, "it resolves", seconds=60
    )
    said = [json.loads(line) for line in one.log.read_text().splitlines()]
    assert [line["message"] for line in said if line["fields"].get("target") == "typo.mx.test"] == [
        "a target does not resolve",
        "a target resolves again",
    ]
    del hosts.listed["typo.mx.test"]
    one.configure({"resolvers": [nameserver.address], "lists": ["bl.example"], "targets": ["192.0.2.1"]})
    one.hang_up()
    wait_until(lambda: "duckwatch_dnsbl_target_resolved" not in one.metrics(), "no name is configured any more")
    assert one.value("duckwatch_dnsbl_names_unresolved") == 0
    assert "Needs attention" not in one.get("/")[1]


NOWHERE = f"{64 * 'a'}.example"
"""A name whose label is too long, so that the system's resolver sends no query."""


def test_a_resolver_that_does_not_answer_is_named(exporter: Make) -> None:
    """The page names a resolver that does not answer, with a remedy. Without resolver every verdict is an error."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        resolver = f"127.0.0.1:{nobody.getsockname()[1]}"
    one = exporter(resolver, lists=["bl.example", "good.example"], targets=["192.0.2.1", "192.0.2.2"])
    wait_until(lambda: "the resolver does not answer" in one.get("/")[1], "the page says so")
    assert f"<td>{resolver}<td" in one.get("/")[1]
    assert "start it, or name another in dnsbl.resolvers" in one.get("/")[1]


def test_a_resolver_may_be_named(nameserver: NameServer, exporter: Make) -> None:
    """A resolver may be given by host name; one that does not resolve is reported and stops nothing."""
    nameserver.zones["bl.example"] = Zone("bl.example", LISTED)
    port = nameserver.port
    one = exporter(
        f"localhost:{port}", targets=["192.0.2.1"], lists=[{"zone": "bl.example", "queries_per_minute": 500}]
    )
    wait_until(lambda: one.listed("192.0.2.1", "bl.example") == 1, "the named resolver was asked")
    wait_until(
        lambda: one.value("duckwatch_dnsbl_resolver_up", resolver=f"localhost:{port}") == 1, "it is shown by its name"
    )
    one.configure({"resolvers": [NOWHERE], "lists": ["bl.example"], "targets": ["192.0.2.1"]})
    one.hang_up()
    wait_until(
        lambda: one.value("duckwatch_dnsbl_resolver_up", resolver=f"{NOWHERE}:53") == 0, "the name does not resolve"
    )
    assert one.listed("192.0.2.1", "bl.example") == 1
    assert f"<td>{NOWHERE}:53<td" in one.get("/")[1]
    assert one.log.read_text().count("a resolver's name does not resolve") == 1
    one.configure({"resolvers": [f"localhost:{port}"], "lists": ["bl.example"], "targets": ["192.0.2.2"]})
    one.hang_up()
    wait_until(lambda: one.listed("192.0.2.2", "bl.example") == 0, "the resolver is asked again")
    wait_until(
        lambda: one.value("duckwatch_dnsbl_resolver_up", resolver=f"{NOWHERE}:53") is None, "the other one is forgotten"
    )


def test_a_standing_listing_outlives_refusals_and_then_lapses(nameserver: NameServer, exporter: Make) -> None:
    """A listing is kept for three intervals of refusals, then lapses, and never becomes clean."""
    nameserver.zones["bl.example"] = zone = Zone("bl.example", LISTED)
    zone.ttl = 1
    one = exporter(nameserver.address, targets=["192.0.2.1"], lists=["bl.example"])
    wait_until(lambda: one.listed("192.0.2.1", "bl.example") == 1, "it is listed")
    nameserver.zones["bl.example"] = behave.rcode(dns.rcode.SERVFAIL)
    seen: set[float | None] = set()

    def lapsed() -> bool:
        seen.add(one.listed("192.0.2.1", "bl.example"))
        return None in seen

    wait_until(lapsed, "the listing lapsed", seconds=120, every=0.5)
    assert seen == {1.0, None}
    pair = {"target": "192.0.2.1", "list": "bl.example"}
    assert one.value("duckwatch_dnsbl_listing_lapsed", **pair, severity="warning") == 1


def test_a_list_that_loses_its_data_turns_nobody_clean(nameserver: NameServer, exporter: Make) -> None:
    """A list that has lost its data makes no target clean: it must list its test point before a listing ends."""
    nameserver.zones["bl.example"] = zone = Zone("bl.example", LISTED)
    zone.ttl = 1
    one = exporter(nameserver.address, targets=["192.0.2.1"], lists=["bl.example"])
    wait_until(lambda: one.listed("192.0.2.1", "bl.example") == 1, "it is listed")
    empty = nameserver.zones["bl.example"] = Zone("bl.example", tests=False)
    empty.ttl = 1
    wait_until(
        lambda: one.value("duckwatch_dnsbl_list_healthy", list="bl.example") == 0, "the list is unhealthy", seconds=90
    )
    assert one.listed("192.0.2.1", "bl.example") == 1


def test_a_wrong_new_configuration_is_refused_and_a_right_one_taken(nameserver: NameServer, exporter: Make) -> None:
    """A wrong configuration is refused, shown by a gauge and the log, and a good one is taken on SIGHUP."""
    nameserver.zones["bl.example"] = Zone("bl.example")
    settings = {"resolvers": [nameserver.address], "lists": ["bl.example"], "interval": "10s"}
    one = exporter(nameserver.address, targets=["192.0.2.1"], lists=["bl.example"])
    wait_until(lambda: one.listed("192.0.2.1", "bl.example") == 0, "it was asked")
    read_at = one.value("duckwatch_dnsbl_config_last_reload_success_timestamp_seconds")
    assert read_at is not None
    one.configure({**settings, "targets": ["192.0.2.1/28"], "intervall": "5m"})
    wait_until(
        lambda: one.value("duckwatch_dnsbl_config_last_reload_successful") == 0, "the change was seen and refused"
    )
    faults = [line for line in one.log.read_text().splitlines() if "is refused" in line]
    assert {json.loads(line)["fields"]["key"] for line in faults} == {"dnsbl.targets.0.target", "dnsbl"}
    assert "is not a known key: did you mean interval?" in {json.loads(line)["fields"]["problem"] for line in faults}
    assert one.listed("192.0.2.1", "bl.example") == 0
    assert one.value("duckwatch_dnsbl_config_last_reload_success_timestamp_seconds") == read_at
    one.configure({**settings, "targets": ["192.0.2.2"]})
    one.hang_up()
    wait_until(lambda: one.listed("192.0.2.2", "bl.example") == 0, "the new target was asked")
    assert one.value("duckwatch_dnsbl_config_last_reload_successful") == 1
    assert (one.value("duckwatch_dnsbl_config_last_reload_success_timestamp_seconds") or 0) > read_at
    assert one.listed("192.0.2.1", "bl.example") is None


def test_a_storm_of_sighups_leaves_it_as_it_was(nameserver: NameServer, exporter: Make) -> None:
    """Many SIGHUPs with changing configurations delay no scrape and leak no socket, and the last one is in force."""
    nameserver.zones["bl.example"] = Zone("bl.example")
    settings = {"resolvers": [nameserver.address], "lists": ["bl.example"], "interval": "10s"}
    one = exporter(nameserver.address, targets=["192.0.2.1"], lists=["bl.example"])
    for number in range(100):
        one.configure({**settings, "targets": [f"192.0.2.{number % 7}"], "timeout": f"{200 + number}ms"})
        one.hang_up()
        if number % 20 == 0:
            assert one.get("/metrics")[0] == 200
    one.configure({**settings, "targets": ["192.0.2.7"]})
    one.hang_up()
    wait_until(lambda: one.listed("192.0.2.7", "bl.example") == 0, "the last configuration is in force")
    assert list(one.metrics()["duckwatch_dnsbl_listed"]) == [(("list", "bl.example"), ("target", "192.0.2.7"))]
    assert one.descriptors() < 128


def test_a_probe_asks_configured_lists_now(nameserver: NameServer, exporter: Make) -> None:
    """A probe asks the configured lists at once, is partial without an answer in time, limited, and
    refuses bad input.
    """
    nameserver.zones |= {
        "bl.example": Zone("bl.example", LISTED),
        "slow.example": behave.SlowAnswer(Zone("slow.example"), 30),
    }
    one = exporter(
        nameserver.address, lists=["bl.example", "slow.example"], timeout="9s", limits={"probes_per_minute": 4}
    )
    status, text = one.get("/probe?target=192.0.2.1&list=BL.Example.")
    assert status == 200
    assert 'duckwatch_dnsbl_listed{list="bl.example",target="192.0.2.1"} 1.0' in text
    assert "duckwatch_dnsbl_probe_complete 1.0" in text
    text = one.get("/probe?target=192.0.2.1", {"X-Prometheus-Scrape-Timeout-Seconds": "1.5"})[1]
    assert "duckwatch_dnsbl_probe_complete 0.0" in text
    assert "slow.example" not in text
    text = one.get("/probe?target=192.0.2.2&list=bl.example&debug=true")[1]
    assert "bl.example: clean" in text
    for bad in ("", "?target=x", "?target=192.0.2.0/24", "?target=192.0.2.1&list=other.example"):
        assert one.get(f"/probe{bad}")[0] == 400
    assert one.get("/probe?target=192.0.2.2&list=bl.example")[0] == 200
    assert one.get("/probe?target=192.0.2.2&list=bl.example")[0] == 429
    assert one.listed("192.0.2.1", "bl.example") is None
    counted = {labels[0][1]: value for labels, value in one.metrics()["duckwatch_dnsbl_probes_total"].items()}
    assert counted == {"complete": 3, "partial": 1, "bad_request": 4, "limited": 1}


class Collector(ThreadingHTTPServer):
    """Accepts posts after one 503. It rejects the results of one target, and bodies over 1 MiB."""

    def __init__(self, port: int = 0, *, refuses: int = 1) -> None:
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.largest = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(text)
                outer.largest = max(outer.largest, len(text))
                outer.requests.append((self.path, self.headers["Authorization"], body))
                rejected = [
                    {"index": index, "error": "secret words"}
                    for index, result in enumerate(body["results"])
                    if result["target"] == "192.0.2.9"
                ]
                answer = json.dumps({"accepted": len(body["results"]) - len(rejected), "rejected": rejected}).encode()
                self.send_response(503 if len(outer.requests) <= refuses else 202 if len(text) <= 1 << 20 else 413)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                del format, args

        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def results(self) -> list[tuple[str, int]]:
        """Return target and time of every accepted result, in the order of arrival."""
        return [(one["target"], one["time"]) for _, _, body in self.requests for one in body["results"]]

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


def test_idle_connections_keep_nobody_from_a_scrape(nameserver: NameServer, exporter: Make) -> None:
    """Idle connections far over the limit do not block a scrape, and no more than the limit stay open."""
    one = exporter(nameserver.address, targets=["192.0.2.1"], lists=["bl.example"], limits={"connections": 8})
    before = one.descriptors()
    with contextlib.ExitStack() as idle:
        for number in range(40):
            line = idle.enter_context(socket.create_connection(("127.0.0.1", one.port)))
            line.sendall(b"GET /metrics HTTP/1.1\r\n" if number % 2 else b"")
        assert [one.get(path)[0] for path in ("/metrics", "/", "/healthz", "/none")] == [200, 200, 200, 404]
        wait_until(lambda: one.descriptors() <= before + 8, lambda: f"{one.descriptors()} files, {before} before")


def test_changes_are_posted_again_until_they_are_taken(nameserver: NameServer, exporter: Make, tmp_path: Path) -> None:
    """Changes are posted again until accepted, in order, with the token; the list's key appears nowhere."""
    reason = f"{SECRET.swapcase()} listed, {WHY}"
    zone = f"{SECRET}.bl.example"
    nameserver.zones[zone] = Zone(zone, LISTED, reasons={"1.2.0.192": reason})
    (tmp_path / "key").write_text(SECRET)
    collector = Collector()
    one = exporter(
        nameserver.address,
        targets=["192.0.2.1"],
        lists=[
            {
                "zone": "bl.example",
                "key_file": str(tmp_path / "key"),
                "codes": {"127.0.0.2": {"meaning": "spam", "severity": "critical"}},
            }
        ],
        collector={"url": f"http://127.0.0.1:{collector.server_port}", "token": f"{CANARY}-token"},
    )
    wait_until(lambda: one.value("duckwatch_dnsbl_results_total", result="sent"), "a result was taken")
    (first, second) = collector.requests[:2]
    assert first == second
    path, authorization, body = first
    assert (path, authorization) == ("/api/events/dnsbl", f"Bearer {CANARY}-token")
    assert set(body["exporter"]) == {"version", "host"}
    (result,) = body["results"]
    time = result.pop("time")
    assert result.pop("standing_since") == time
    assert result == {
        "target": "192.0.2.1",
        "name": None,
        "kind": "address",
        "list": "bl.example",
        "verdict": "listed",
        "detail": "listed",
        "codes": ["127.0.0.2"],
        "meanings": ["spam"],
        "severity": "critical",
        "reason": f"*** listed, {WHY}",
        "previous": None,
        "standing": "listed",
    }
    shown = one.get("/")[1] + one.get("/probe?target=192.0.2.1&debug=true")[1]
    assert shown.count(REASON) == 2
    assert canaries.secrets_in(shown.encode()) == []
    hidden = "".join(one.get(f"/{path}")[1] for path in ("metrics", "probe?target=192.0.2.1", f"{SECRET}?key={SECRET}"))
    assert canaries.leaks_in(hidden.encode() + one.log.read_bytes()) == []
    collector.stop()


def test_results_outlive_the_collectors_absence_and_a_rejected_one_is_counted(
    nameserver: NameServer, exporter: Make
) -> None:
    """Results wait for the collector and are sent in bodies of at most 1 MiB; rejected ones are counted and logged."""
    codes = [f"127.0.0.{code}" for code in range(2, 18)]
    nameserver.zones["bl.example"] = Zone("bl.example", {f"{last}.2.0.192": codes for last in range(256)})
    port = free_port()
    one = exporter(
        nameserver.address,
        targets=["192.0.2.0/24"],
        lists=[{"zone": "bl.example", "codes": {code: f"{code}: " + "\u20ac" * 180 for code in codes}}],
        interval="5m",
        timeout="5s",
        limits={"queries_per_minute_per_list": None, "queries_per_minute": None},
        collector={"url": f"http://127.0.0.1:{port}"},
    )
    wait_until(
        lambda: len(one.metrics().get("duckwatch_dnsbl_listed", {})) == 256, "every target is listed", seconds=90
    )
    collector = Collector(port, refuses=0)
    wait_until(lambda: one.value("duckwatch_dnsbl_results_waiting") == 0, "every result was taken", seconds=90)
    assert one.value("duckwatch_dnsbl_results_total", result="rejected") == sum(
        target == "192.0.2.9" for target, _ in collector.results()
    )
    assert 1 << 19 < collector.largest <= 1 << 20
    assert {target for target, _ in collector.results()} == {f"192.0.2.{last}" for last in range(256)}
    assert len(collector.results()) == len(set(collector.results()))
    log = one.log.read_text()
    assert '"rejected": 1' in log
    assert "secret words" not in log
    assert one.value("duckwatch_dnsbl_results_total", result="dropped") == 0
    collector.stop()


def test_a_stop_sends_what_waits(nameserver: NameServer, exporter: Make) -> None:
    """A stop sends the waiting results, and takes at most two seconds if the collector does not answer."""
    nameserver.zones["bl.example"] = Zone("bl.example", LISTED)
    port = free_port()
    one = exporter(
        nameserver.address,
        targets=["192.0.2.1"],
        lists=["bl.example"],
        collector={"url": f"http://127.0.0.1:{port}"},
    )
    wait_until(lambda: one.value("duckwatch_dnsbl_results_waiting"), "a result waits")
    collector = Collector(port, refuses=0)
    assert one.stop() == 0
    assert collector.results()
    collector.stop()


def test_what_waited_when_it_was_killed_is_told_anew(nameserver: NameServer, exporter: Make) -> None:
    """After a kill each pair's present verdict is found and posted once more, because nothing is kept on disk."""
    nameserver.zones["bl.example"] = Zone("bl.example", LISTED)
    port = free_port()
    one = exporter(
        nameserver.address,
        targets=["192.0.2.0/31"],
        lists=["bl.example"],
        collector={"url": f"http://127.0.0.1:{port}"},
    )
    wait_until(lambda: one.value("duckwatch_dnsbl_results_waiting") == 2, "both results wait")
    one.kill()
    collector = Collector(port, refuses=0)
    one.start()
    wait_until(lambda: one.value("duckwatch_dnsbl_results_total", result="sent") == 2, "both are told")
    results = {result["target"]: result for _, _, body in collector.requests for result in body["results"]}
    assert {target: (one["standing"], one["previous"]) for target, one in results.items()} == {
        "192.0.2.0": ("clean", None),
        "192.0.2.1": ("listed", None),
    }
    assert one.listed("192.0.2.1", "bl.example") == 1
    collector.stop()


def test_a_reload_keeps_what_names_resolved_to(nameserver: NameServer, exporter: Make) -> None:
    """A reload keeps the targets of a name that does not resolve now, and drops those of a removed name."""
    hosts = Zone("mx.test", {"a": ["192.0.2.1"]}, tests=False)
    nameserver.zones |= {"bl.example": Zone("bl.example", LISTED), "mx.test": hosts}
    settings = {"resolvers": [nameserver.address], "lists": ["bl.example"], "interval": "20s", "timeout": "200ms"}
    host = {"target": "a.mx.test", "treat_as": "host"}
    one = exporter(nameserver.address, targets=[host], lists=["bl.example"], interval="20s")
    wait_until(lambda: one.listed("192.0.2.1", "bl.example") == 1, "the name's address was asked")
    nameserver.zones["mx.test"] = behave.silent
    one.configure({**settings, "targets": [host, "192.0.2.7"]})
    one.hang_up()
    seen: set[float | None] = set()

    def taken() -> bool:
        seen.add(one.listed("192.0.2.1", "bl.example"))
        return one.listed("192.0.2.7", "bl.example") == 0

    wait_until(taken, "the new configuration was taken")
    wait_until(lambda: one.value("duckwatch_dnsbl_names_unresolved") == 1, "the name was tried again")
    assert seen == {1.0}
    assert one.listed("192.0.2.1", "bl.example") == 1
    one.configure({**settings, "targets": ["192.0.2.7"]})
    one.hang_up()
    wait_until(lambda: one.listed("192.0.2.1", "bl.example") is None, "what only the name led to is gone")


def test_targets_are_counted_and_so_are_those_without_room(nameserver: NameServer, exporter: Make) -> None:
    """Configured and found targets are counted up to the limit, and found ones beyond it as left out."""
    hosts = Zone("mx.test", {"a": [f"192.0.2.{last}" for last in range(1, 6)]}, tests=False)
    nameserver.zones |= {"bl.example": Zone("bl.example"), "mx.test": hosts}
    host = {"target": "a.mx.test", "treat_as": "host"}
    one = exporter(nameserver.address, targets=["192.0.2.7", host], lists=["bl.example"], limits={"targets": 3})
    wait_until(lambda: one.value("duckwatch_dnsbl_targets_left_out") == 3, "the name was resolved")
    assert one.value("duckwatch_dnsbl_targets") == 3
    settings = {"resolvers": [nameserver.address], "lists": ["bl.example"], "interval": "10s"}
    one.configure({**settings, "targets": ["192.0.2.7", host]})
    one.hang_up()
    wait_until(lambda: one.value("duckwatch_dnsbl_targets") == 6, "all have room")
    assert one.value("duckwatch_dnsbl_targets_left_out") == 0
    one.configure({**settings, "targets": ["192.0.2.7"]})
    one.hang_up()
    wait_until(lambda: one.value("duckwatch_dnsbl_targets") == 1, "the name is no target any more")


def test_forged_answers_are_counted_by_their_fault(nameserver: NameServer, exporter: Make) -> None:
    """Each forged datagram is counted by its fault, and the right answer after it is taken."""
    right = {reason: Zone(f"{reason}.example") for reason in ("id", "question", "malformed")}
    nameserver.zones |= {
        "id.example": behave.with_wrong_id(right["id"], then_right=True),
        "question.example": behave.with_wrong_question(right["question"], then_right=True),
        "malformed.example": lambda query: [b"\0", *right["malformed"](query)],
    }
    one = exporter(nameserver.address, targets=["192.0.2.1"], lists=list(nameserver.zones), interval="1h")
    for zone in nameserver.zones:
        wait_until(lambda zone=zone: one.listed("192.0.2.1", zone) == 0, f"{zone} was judged")  # type: ignore[misc]  # mypy has no type for a default
    for reason in right:
        asked = len(nameserver.asked(f"{reason}.example"))
        assert one.value("duckwatch_dnsbl_answers_ignored_total", reason=reason) == asked > 0
        assert one.value("duckwatch_dnsbl_queries_total", list=f"{reason}.example") == asked


def test_a_shortage_of_descriptors_is_counted(nameserver: NameServer, exporter: Make) -> None:
    """While the exporter cannot open a descriptor the shortage is counted, and afterwards no longer."""
    one = exporter(nameserver.address, targets=["192.0.2.1"], lists=["bl.example"])
    assert one.value("duckwatch_dnsbl_resource_shortages_total", resource="descriptors") is None
    before = resource.prlimit(one.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (4, before[1]))
    with contextlib.ExitStack() as waiting:
        for _ in range(20):  # more than its spare descriptors
            waiting.enter_context(socket.create_connection(("127.0.0.1", one.port)))
        wait_until(lambda: '"of": "descriptors"' in one.log.read_text(), "the shortage is logged")
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, before)
    wait_until(
        lambda: "the machine has free descriptors again" in one.log.read_text(), "the shortage is over", seconds=60
    )
    counted = one.value("duckwatch_dnsbl_resource_shortages_total", resource="descriptors")
    assert counted
    assert list(one.metrics()["duckwatch_dnsbl_resource_shortages_total"]) == [(("resource", "descriptors"),)]


def test_the_exporter_shows_its_version(nameserver: NameServer, exporter: Make) -> None:
    """The version on /metrics is the installed one."""
    one = exporter(nameserver.address, targets=["192.0.2.1"], lists=["bl.example"])
    assert one.metrics()["duckwatch_dnsbl_build_info"] == {(("version", version("duckwatch")),): 1}


@pytest.mark.servers
def test_rbldnsd(exporter: Make, server_logs: Path) -> None:
    """Address, IPv6 and domain zones of rbldnsd are checked, with test points and reasons."""
    server = need(
        lambda: Rbldnsd(
            server_logs,
            {
                "bl.example": ("ip4set", ":127.0.0.2:why $\n127.0.0.2\n192.0.2.1\n"),
                "six.example": ("ip6trie", ":127.0.0.3:six\n::ffff:7f00:2\n2001:db8::5\n"),
                "dbl.example": ("dnset", ":127.0.0.4:domain\ntest\nshop.example.com\n"),
            },
        )
    )
    server.start()
    one = exporter(
        server.address,
        targets=[
            "192.0.2.0/31",
            "2001:db8::4/127",
            "shop.example.com",
            {"target": "good.example.com", "treat_as": "domain"},
        ],
        lists=[
            "bl.example",
            {"zone": "six.example", "ipv4": False, "ipv6": True},
            {"zone": "dbl.example", "kind": "domain"},
        ],
    )
    wait_until(lambda: len(one.metrics().get("duckwatch_dnsbl_listed", {})) == 6, "every pair was judged")
    listed = {labels for labels, value in one.metrics()["duckwatch_dnsbl_listed"].items() if value}
    assert listed == {
        (("list", "bl.example"), ("target", "192.0.2.1")),
        (("list", "six.example"), ("target", "2001:db8::5")),
        (("list", "dbl.example"), ("target", "shop.example.com")),
    }
    assert all(value == 1 for value in one.metrics()["duckwatch_dnsbl_list_healthy"].values())
    assert "why 192.0.2.1" in one.get("/")[1]
    assert one.value("duckwatch_dnsbl_names_unresolved") == 1, (
        "shop.example.com is a host too, and rbldnsd resolves none"
    )
    server.stop()


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        ("192.0.2.1", 1, "listed"),
        ("192.0.2.2", 0, "clean"),
        ("2001:db8::1", 3, "takes it"),
        ("192.0.2.0/28", 1, "no verdict for 13 of 16"),
        ("192.0.2.16/28", 4, "no verdict for 12 of 16"),
    ],
)
def test_a_probe_on_the_command_line(nameserver: NameServer, tmp_path: Path, target: str, code: int, said: str) -> None:
    """`probe` prints a table without colour into a pipe, and its exit code gives the result."""
    nameserver.zones["bl.example"] = Zone("bl.example", LISTED, reasons={"1.2.0.192": "why"})
    path = tmp_path / "duckwatch.yml"
    section = {
        "resolvers": [nameserver.address],
        "lists": ["bl.example"],
        "limits": {"queries_per_minute_per_list": 8},
        "interval": "1h",
    }
    path.write_text(yaml.safe_dump({"dnsbl": section}))
    words = [sys.executable, "-m", "exporters.dnsbl", "--config", str(path), "probe", target]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    canaries.hear_shown("dnsbl probe", ended.stdout + ended.stderr)
    assert (ended.returncode, ended.stderr) == (code, "")
    assert said in ended.stdout
    assert "\x1b" not in ended.stdout


def test_a_probe_at_a_terminal_has_colour(nameserver: NameServer, tmp_path: Path) -> None:
    """`probe` at a terminal colours verdicts unless NO_COLOR is set, and prints no control character of a list."""
    nameserver.zones |= {
        "bl.example": Zone("bl.example", LISTED, reasons={"1.2.0.192": "\x1b[2J\x07\u202ewhy"}),
        "good.example": Zone("good.example"),
    }
    path = tmp_path / "duckwatch.yml"
    section = {"resolvers": [nameserver.address], "lists": ["bl.example", "good.example"]}
    path.write_text(yaml.safe_dump({"dnsbl": section}))
    words = [sys.executable, "-m", "exporters.dnsbl", "--config", str(path), "probe", "192.0.2.1"]
    seen = at_a_terminal(words, {})
    assert re.findall(r"(\x1b\[[0-9;]*m)(listed|clean)", seen) == [("\x1b[31;1m", "listed"), ("\x1b[32m", "clean")]
    assert "[2Jwhy" in seen
    assert set(re.findall(r"\x1b\[[^m]*.", seen)) == {"\x1b[31;1m", "\x1b[32m", "\x1b[0m"}
    assert "\x1b" not in at_a_terminal(words, {"NO_COLOR": "1"})


def at_a_terminal(words: list[str], environment: dict[str, str]) -> str:
    """Return a program's output at a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdout=theirs, env=os.environ | environment):
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal closes with the program
            while more := os.read(ours, 65536):
                shown += more
    os.close(ours)
    return shown.decode()


def test_a_probe_of_a_list_that_will_not_tell(nameserver: NameServer, tmp_path: Path) -> None:
    """`probe` exits with 3 when no list answers, and with 4 when only some do."""
    nameserver.zones |= {"refuse.example": behave.everything("127.255.255.254"), "bl.example": Zone("bl.example")}
    path = tmp_path / "duckwatch.yml"
    words = [sys.executable, "-m", "exporters.dnsbl", "--config", str(path), "probe", "192.0.2.1"]
    for lists, code in ((["refuse.example"], 3), (["refuse.example", "bl.example"], 4)):
        path.write_text(yaml.safe_dump({"dnsbl": {"resolvers": [nameserver.address], "lists": lists}}))
        assert subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == code
