"""`python -m bench.dnsbl [--quick]`: measures an exporter process without limits, prints one JSON object."""

from __future__ import annotations

import argparse
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from bench.dnsbl.servers import Server

LISTS = 50
SCRAPE_HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2",
    "Accept-Encoding": "gzip",
}
DEAD = "bl49.example"


class Exporter:
    """One exporter process, started as a user starts it, and its figures from its /metrics."""

    def __init__(
        self, folder: Path, servers: list[Server], *, targets: str, lists: int, limits: dict[str, Any] | None = None
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        off = {"queries_per_minute_per_list": None, "queries_per_minute": None}
        section = {
            "listen": f"127.0.0.1:{self._port}",
            "resolvers": [f"127.0.0.1:{server.port}" for server in servers],
            "targets": [targets],
            "lists": [{"zone": f"bl{number}.example", "ipv6": True} for number in range(lists)],
            "interval": "1h",
            "limits": limits if limits is not None else off,
        }
        path = folder / "bench-dnsbl.yml"
        path.write_text(yaml.safe_dump({"dnsbl": section}), encoding="utf-8")
        self.started = time.perf_counter()
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "exporters.dnsbl", "--config", path, "serve"], stderr=subprocess.DEVNULL
        )

    def page(self) -> str:
        """Return /metrics as text, read without compression; empty while the exporter does not listen."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=30) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""

    def scrape_ms(self) -> float:
        """Return the milliseconds of a scrape with Prometheus's headers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/metrics", headers=SCRAPE_HEADERS)
        started = time.perf_counter()
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            answer.read()
        return (time.perf_counter() - started) * 1000

    def wait_listening(self) -> None:
        """Wait until the exporter answers."""
        while not self.page():
            time.sleep(0.02)

    def checks(self, *, without: str = "-") -> int:
        """Return the number of ended checks, by the exporter's own count."""
        return sum(
            int(float(value))
            for zone, value in re.findall(
                r'^duckwatch_dnsbl_verdicts_total\{list="([^"]+)",verdict="\w+"\} (\S+)$', self.page(), re.MULTILINE
            )
            if zone != without
        )

    def cpu_seconds(self) -> float:
        """Return the processor time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def peak_mb(self) -> float:
        """Return the peak memory."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self._process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def errors(self) -> int:
        """Return the number of verdicts other than listed and clean."""
        page = self.page()
        return sum(int(float(value)) for value in re.findall(r'verdict="(?:error|refused)"\} (\S+)', page))

    def stop(self) -> None:
        """Stop the process."""
        self._process.terminate()
        self._process.wait()


def sweep(
    folder: Path,
    servers: list[Server],
    *,
    targets: str,
    lists: int,
    count: int,
    without: str = "-",
    scrape: bool = False,
) -> dict[str, Any]:
    """Measure a first sweep: the seconds from the first answer of /metrics to the last check, by polling."""
    exporter = Exporter(folder, servers, targets=targets, lists=lists)
    try:
        exporter.wait_listening()
        started, cpu, before = time.perf_counter(), exporter.cpu_seconds(), exporter.checks(without=without)
        wanted = count * (lists - (without != "-"))
        scrapes = []
        while (done := exporter.checks(without=without)) < wanted:
            if time.perf_counter() - started > 120:
                raise SystemExit("bench: the sweep did not end")
            if scrape:
                scrapes.append(exporter.scrape_ms())
            time.sleep(0.05 if scrape else 0.2)
        seconds = time.perf_counter() - started
        spent = exporter.cpu_seconds() - cpu
        figures: dict[str, Any] = {
            "seconds": round(seconds, 2),
            "lookups_per_second": round((done - before) / seconds),
            "lookups_per_cpu_second": round((done - before) / spent) if spent else None,
            "failed": exporter.errors() if without == "-" else None,
            "peak_rss_mb": round(exporter.peak_mb(), 1),
        }
        if scrapes:
            figures["scrape_ms"] = {
                "median": round(statistics.median(scrapes), 1),
                "worst": round(max(scrapes), 1),
                "scrapes": len(scrapes),
            }
        return figures
    finally:
        exporter.stop()


def limited(folder: Path, server: Server) -> dict[str, Any]:
    """Measure a sweep within a budget that allows it in exactly a minute."""
    exporter = Exporter(folder, [server], targets="192.0.2.0/25", lists=2, limits={"queries_per_minute_per_list": 128})
    try:
        exporter.wait_listening()
        started = time.perf_counter()
        while exporter.checks() < 2 * 128:
            time.sleep(0.2)
        seconds = time.perf_counter() - started
        return {"seconds": round(seconds, 1), "allowed_seconds": 60.0, "to_allowed": round(seconds / 60.0, 3)}
    finally:
        exporter.stop()


def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Return the figures of all rounds."""
    bits, lists = (4, 5) if quick else (8, LISTS)
    count = 1 << bits
    v4, v6 = f"192.0.2.0/{32 - bits}", f"2001:db8::/{128 - bits}"
    fast, slow = Server(), [Server(0.05), Server(0.05)]
    dead = [Server(0.0, b"bl4\x07" if quick else b"bl49\x07")]
    try:
        rounds = 1 if quick else 3
        return {
            "lookups": count * lists,
            "ipv4": [sweep(folder, [fast], targets=v4, lists=lists, count=count) for _ in range(rounds)],
            "ipv6": [sweep(folder, [fast], targets=v6, lists=lists, count=count) for _ in range(rounds)],
            "latency_50_ms_two_resolvers": sweep(folder, slow, targets=v4, lists=lists, count=count),
            "one_dead_list": sweep(
                folder, dead, targets=v4, lists=lists, count=count, without="bl4.example" if quick else DEAD
            ),
            "scraped_during_a_sweep": sweep(folder, [fast], targets=v4, lists=lists, count=count, scrape=True),
            "with_limits": None if quick else limited(folder, fast),
        }
    finally:
        for server in (fast, *slow, *dead):
            server.stop()


def main() -> int:
    """Run the command line. Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.dnsbl", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small rounds: to see that it runs, not for figures")
    with tempfile.TemporaryDirectory(prefix="duckwatch-bench-") as folder:
        print(json.dumps(measure(Path(folder), quick=parser.parse_args().quick), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
