"""The collector as a user runs it: a process `duckwatch-collector --config FILE serve`.

It can be stopped, killed and started again on the same journal and port.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests import canaries
from tests.servers.process import Process, free_port, limited

if TYPE_CHECKING:
    from collections.abc import Mapping

Labels = tuple[tuple[str, str], ...]


class Answer(NamedTuple):
    """An answer of the collector."""

    status: int
    body: bytes


class Collector:
    """One collector.

    `settings` are further keys of its section of the YAML file, `environment` further variables, `open_files` its limit
    of open files (None: that of the tests).
    """

    token = canaries.TOKEN

    def __init__(self, folder: Path, logs: Path, dsn: str, settings: dict[str, Any] | None = None) -> None:
        self.environment: dict[str, str] = {}
        self.program: list[str | Path] = [Path(sys.executable).parent / "duckwatch-collector"]
        self.open_files: int | None = None
        self.port = free_port()
        self._folder = folder
        self._log = logs / f"collector-{self.port}.log"
        self._process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)
        token_file = folder / "token"
        token_file.write_text(f"{self.token}\n", encoding="utf-8")
        section: dict[str, Any] = {
            "listen": f"127.0.0.1:{self.port}",
            "database": {"dsn": dsn},
            "journal": {"path": str(folder / "journal"), "max_bytes": "256MiB"},
            "auth": {"tokens": [{"token_file": str(token_file), "cluster": "eu1"}]},
        }
        self.config = folder / "duckwatch.yml"
        self.config.write_text(yaml.safe_dump({"collector": section | (settings or {})}), encoding="utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url_with_token(self) -> str:
        """The URL with the token in it, for senders that cannot set a header."""
        return self.url.replace("//", f"//any:{self.token}@")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start it. With `wait`, return when /readyz answers 200."""
        assert self._process is None, "it runs already"
        # The developer's own settings must not reach it.
        theirs = {name: value for name, value in os.environ.items() if not name.startswith(("DUCKWATCH_", "OTEL_"))}
        environment = theirs | self.environment
        canaries.watch(self._log)
        words: list[str | Path] = [*limited(self.open_files), *self.program, "--config", self.config, "serve"]
        self._process = Process("collector", words, self._log, env=environment)
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Return when /readyz answers 200."""
        assert self._process is not None
        self._process.wait_ready(self.is_ready)

    def is_ready(self) -> bool:
        """True when /readyz answers 200."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def trouble(self) -> dict[str, str]:
        """Return the troubles that /readyz names, by part."""
        said = json.loads(self.ask("/readyz").body)
        troubles: dict[str, str] = said["trouble"]
        assert said["ready"] is (len(troubles) < 2)
        return troubles

    def sqlstates(self) -> dict[str, str]:
        """Return the SQLSTATEs of the troubles that /readyz names, by part."""
        found: dict[str, str] = json.loads(self.ask("/readyz").body).get("sqlstate", {})
        return found

    def send(self, events: list[dict[str, Any]]) -> int:
        """Send events to the ingest route. Return the status."""
        body = json.dumps({"events": events}).encode()
        return self.ask("/api/events/ingest", body, {"Authorization": f"Bearer {self.token}"}).status

    def ask(self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request. Return its status and answer, whatever they are."""
        request = urllib.request.Request(f"{self.url}{path}", data=body, headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                answer = Answer(reply.status, reply.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                answer = Answer(refusal.code, refusal.read())
        canaries.hear(path.partition("?")[0], answer.body)
        return answer

    @property
    def log(self) -> Path:
        return self._log

    def metrics(self) -> dict[str, dict[Labels, float]]:
        """Return /metrics, read by Prometheus's own parser: sample name -> sorted labels -> value."""
        page = self.ask("/metrics").body.decode()
        found: dict[str, dict[Labels, float]] = {}
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def page_bytes(self) -> int:
        """Return the size of /metrics."""
        return len(self.ask("/metrics").body)

    def total(self, name: str) -> float:
        """Return the sum of a metric's samples, 0 without any."""
        return sum(self.metrics().get(name, {}).values())

    def stop(self) -> int:
        """Stop it by SIGTERM. Return the exit code, 0 when it does not run."""
        if self._process is None:
            return 0
        with contextlib.suppress(OSError):
            self.ask("/metrics")  # its last page is searched for secrets too
        code = self._process.stop(seconds=60)
        self._process = None
        return code

    def kill(self) -> None:
        """Kill it by SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process = None
