"""Prometheus for tests, which scrapes (by default once a second) and answers queries, and promtool."""

from __future__ import annotations

import json
import os
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import yaml

from tests.servers.installed import command
from tests.servers.process import Process, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def promtool() -> Path:
    """Return the path of promtool, which checks rules and metrics. Raise `MissingServerError`."""
    return command("promtool")


class Prometheus:
    """One server. `targets` maps jobs to `host:port`, `rules` are rule files.

    Raise `MissingServerError` if it is not installed.
    """

    def __init__(
        self,
        folder: Path,
        logs: Path,
        targets: dict[str, list[str]],
        rules: list[Path] | None = None,
        external_labels: dict[str, str] | None = None,
        *,
        interval: str = "1s",
    ) -> None:
        self.port = free_port()
        self._program = command("prometheus")
        self._folder = folder
        self._log = logs / f"prometheus-{self.port}.log"
        self._process: Process | None = None
        self._settings: dict[str, Any] = {
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "evaluation_interval": interval,
                "external_labels": external_labels or {},
            },
            "rule_files": [str(path) for path in rules or []],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": hosts}]} for job, hosts in targets.items()
            ],
        }

    def configure(self, section: str, settings: dict[str, Any]) -> None:
        """Add settings to a section of the configuration. Before `start`."""
        self._settings.setdefault(section, {}).update(settings)

    def settle(self, interval: str, alertmanager: str) -> None:
        """Scrape and evaluate at another interval, and send alerts to the Alertmanager at this URL. Before `start`."""
        self._settings["global"] |= dict.fromkeys(
            ("scrape_interval", "scrape_timeout", "evaluation_interval"), interval
        )
        self._settings["alerting"] = {
            "alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}]
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, environment: Mapping[str, str] | None = None, flags: Sequence[str] = ()) -> None:
        """Start it, with these environment variables and flags as well, and wait until it is ready."""
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._settings), encoding="utf-8")
        words = [
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            *flags,
        ]
        both = os.environ | (environment or {})
        self._process = Process("prometheus", [self._program, *words], self._log, both, self._folder)
        self._process.wait_ready(self.is_ready)

    def is_ready(self) -> bool:
        """Return True when it answers queries."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def api(self, path: str, **parameters: str) -> Any:
        """Return the `data` of an answer of `/api/v1/…`."""
        with urllib.request.urlopen(
            f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=60
        ) as answer:
            return json.load(answer)["data"]

    def page(self) -> str:
        """Return its own metrics."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def federated(self, selector: str) -> list[str]:
        """Return the samples of these series as a federating Prometheus gets them, one a line, with external labels."""
        with urllib.request.urlopen(
            f"{self.url}/federate?{urllib.parse.urlencode({'match[]': selector})}", timeout=60
        ) as answer:
            return [line for line in answer.read().decode().splitlines() if not line.startswith("#")]

    def query(self, promql: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Return an instant query's vector: sorted labels (without `__name__`, `job`, `instance`) -> value."""
        found = {}
        for sample in self.api("query", query=promql)["result"]:
            labels = {
                name: value for name, value in sample["metric"].items() if name not in ("__name__", "job", "instance")
            }
            found[tuple(sorted(labels.items()))] = float(sample["value"][1])
        return found

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.stop()
            self._process = None
