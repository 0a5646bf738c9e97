"""The collector as a user runs it: `duckwatch-collector serve` on a YAML file, spoken to over HTTP and nothing else."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.servers.process import Process, free_port, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oracle.wire import Body

TOKEN = "replay-default"
INGEST = "/api/events/ingest"


class ServedCollector:
    """One collector process; each name in `clusters` has a token that speaks for that cluster alone."""

    def __init__(self, folder: Path, dsn: str, clusters: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self.tokens = {name: f"replay-{name}" for name in clusters}
        tokens = [{"token": TOKEN}, *({"token": token, "cluster": name} for name, token in self.tokens.items())]
        settings = {
            "listen": f"127.0.0.1:{self.port}",
            "database": {"dsn": dsn},
            "journal": {"path": str(folder / "journal")},
            "auth": {"tokens": tokens},
        }
        config = folder / "duckwatch.yml"
        config.write_text(yaml.safe_dump({"collector": settings}), encoding="utf-8")
        command = [sys.executable, "-m", "collector", "--config", str(config), "serve"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DUCKWATCH_")}
        self.process = Process("collector", command, folder / "collector.log", env=environment)

    def wait_ready(self) -> None:
        """Waits for /readyz; a collector that does not get there is killed."""
        try:
            self.process.wait_ready(lambda: self.answers("/readyz"))
        except AssertionError:
            self.process.kill()
            raise

    def answers(self, path: str) -> bool:
        try:
            return self.request("GET", path)[0] == 200
        except OSError:
            return False

    def request(self, method: str, path: str, content: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """One request on a connection of its own: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def post(self, body: Body, cluster: str | None = None) -> dict[str, Any]:
        """Sends one body as the sender of `cluster` (None: whose token is bound to none), and insists on 202."""
        token = TOKEN if cluster is None else self.tokens[cluster]
        headers = body.headers | {"Authorization": f"Bearer {token}"}
        status, answer = self.request("POST", INGEST, body.content, **headers)
        assert status == 202, (status, answer[:500], self.process.log_tail())
        parsed: dict[str, Any] = json.loads(answer)
        return parsed

    def samples(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """A counter's or gauge's samples on /metrics: sorted labels -> value."""
        _, page = self.request("GET", "/metrics")
        return {
            tuple(sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(page.decode())
            for sample in family.samples
            if sample.name == name
        }

    def total(self, name: str) -> float:
        return sum(self.samples(name).values())

    def totals(self, name: str, *labels: str) -> Counter[tuple[str, ...]]:
        """A counter summed up by some of its labels; sums of zero left out."""
        sums: Counter[tuple[str, ...]] = Counter()
        for found, value in self.samples(name).items():
            sums[tuple(dict(found)[label] for label in labels)] += int(value)
        return Counter({key: value for key, value in sums.items() if value})

    def wait_settled(self, sent: int) -> None:
        """Waits until all `sent` events are new rows or known duplicates, and the journal is empty."""

        def settled() -> bool:
            done = self.total("duckwatch_mail_events_total") + self.total("duckwatch_ingest_duplicates_total")
            return done >= sent and self.total("duckwatch_journal_requests") == 0

        wait_until(settled, f"{sent} events in the table, journal empty", seconds=60, every=0.2)
