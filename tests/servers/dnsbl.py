"""The DNSBL exporter as a user runs it: a process `duckwatch-dnsbl --config FILE serve`, with loopback resolvers."""

from __future__ import annotations

import contextlib
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from signal import SIGHUP
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests import canaries
from tests.servers.process import Process, free_port, limited

Labels = tuple[tuple[str, str], ...]


class DnsblExporter:
    """One exporter. `settings` are its section of the YAML file."""

    def __init__(self, folder: Path, logs: Path, settings: dict[str, Any]) -> None:
        self.port = free_port()
        self.log = logs / f"dnsbl-{self.port}.log"
        self._config = folder / "dnsbl.yml"
        self._process: Process | None = None
        self.open_files: int | None = None
        self.configure(settings)

    def configure(self, settings: dict[str, Any]) -> None:
        """Write its configuration. A running exporter detects the change by itself."""
        section = {"listen": f"127.0.0.1:{self.port}", **settings}
        self._config.write_text(yaml.safe_dump({"dnsbl": section}), encoding="utf-8")

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DUCKWATCH_")}
        canaries.watch(self.log)
        words = [
            *limited(self.open_files),
            sys.executable,
            "-m",
            "exporters.dnsbl",
            "--config",
            str(self._config),
            "serve",
        ]
        self._process = Process("duckwatch-dnsbl", words, self.log, env=environment)
        self._process.wait_ready(self._is_ready)

    def _is_ready(self) -> bool:
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False

    def hang_up(self) -> None:
        """Send SIGHUP, so that it reads the configuration again."""
        assert self._process is not None
        self._process.send(SIGHUP)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def descriptors(self) -> int:
        """Return the number of its open files and sockets."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Return status and text of a page."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read().decode()
        is_for_people = path == "/" or "debug=true" in path
        hear = canaries.hear_shown if is_for_people and status == 200 else canaries.hear
        hear(f"dnsbl {path.partition('?')[0]}", text)
        return status, text

    def metrics(self) -> dict[str, dict[Labels, float]]:
        """Return /metrics, read by Prometheus's own parser: sample name -> sorted labels -> value."""
        found: dict[str, dict[Labels, float]] = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def listed(self, target: str, dns_list: str) -> float | None:
        """Return the current value of a pair, None without one."""
        return self.metrics().get("duckwatch_dnsbl_listed", {}).get((("list", dns_list), ("target", target)))

    def value(self, name: str, **labels: str) -> float | None:
        """Return one sample of a metric, None while it is absent."""
        return self.metrics().get(name, {}).get(tuple(sorted(labels.items())))

    def kill(self) -> None:
        """Kill it by SIGKILL."""
        assert self._process is not None
        self._process.kill()

    def stop(self) -> int:
        """Stop it by SIGTERM. Return the exit code."""
        if self._process is None:
            return 0
        with contextlib.suppress(OSError):
            self.get("/metrics")  # its last page is searched for secrets too
        return self._process.stop()
