"""The DNSBL exporter as a user runs it: `duckwatch-dnsbl --config FILE serve`, as a process of its own,
on loopback resolvers only.
"""

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
    """One exporter; `settings` are its section of the YAML file."""

    def __init__(self, folder: Path, logs: Path, settings: dict[str, Any]) -> None:
        self.port = free_port()
        self.log = logs / f"dnsbl-{self.port}.log"
        self._config = folder / "dnsbl.yml"
        self._process: Process | None = None
        self.open_files: int | None = None
        self.configure(settings)

    def configure(self, settings: dict[str, Any]) -> None:
        """Writes its configuration; a running one sees the change by itself."""
        section = {"listen": f"127.0.0.1:{self.port}", **settings}
        self._config.write_text(yaml.safe_dump({"dnsbl": section}), encoding="utf-8")

    def start(self) -> None:
        """Starts it and waits until it answers."""
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
        """SIGHUP: read the configuration again."""
        assert self._process is not None
        self._process.send(SIGHUP)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """A page: its status and text."""
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
        """/metrics, read by Prometheus's own parser: sample name -> sorted labels -> value."""
        found: dict[str, dict[Labels, float]] = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def listed(self, target: str, dns_list: str) -> float | None:
        """What stands for a pair; None: nothing."""
        return self.metrics().get("duckwatch_dnsbl_listed", {}).get((("list", dns_list), ("target", target)))

    def value(self, name: str, **labels: str) -> float | None:
        """One sample of a metric."""
        return self.metrics().get(f"duckwatch_dnsbl_{name}", {}).get(tuple(sorted(labels.items())))

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()

    def stop(self) -> int:
        """SIGTERM, and waits. Gives the exit code."""
        if self._process is None:
            return 0
        with contextlib.suppress(OSError):
            self.get("/metrics")  # the last of its pages is searched for what it must not hold
        return self._process.stop()
