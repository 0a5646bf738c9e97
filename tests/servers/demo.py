"""`duckwatch-demo` as a process: a database, the collector, the DNSBL exporter and made-up mail, on loopback."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

from tests import canaries

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


class Demo(NamedTuple):
    """A running demo: what its first line says."""

    url: str
    dsn: str
    token: str
    data: str
    prometheus: str | None = None
    alertmanager: str | None = None

    @property
    def targets(self) -> dict[str, list[str]]:
        """What Prometheus scrapes, by job."""
        dnsbl = yaml.safe_load((Path(self.data) / "dnsbl.yml").read_text())["dnsbl"]
        return {"duckwatch-collector": [self.url.removeprefix("http://")], "duckwatch-dnsbl": [dnsbl["listen"]]}


@contextlib.contextmanager
def running(*words: str) -> Iterator[Demo]:
    """Run the demo with these arguments on free ports. At the end its logs are searched for what must not be there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "duckwatch.demo", "--json", "--port", "0", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, "the demo did not start"
        demo = Demo(**json.loads(first))
        yield demo
        for log in ("collector.log", "dnsbl.log"):
            canaries.hear(f"demo {log}", (Path(demo.data) / log).read_bytes())
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
