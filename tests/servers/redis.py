"""Redis for tests, without a file. ZoneMTA keeps locks and counters in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers.installed import command
from tests.servers.process import Process, free_port, listens

if TYPE_CHECKING:
    from pathlib import Path


class Redis:
    """One server on a free port. Raise `MissingServerError` if it is not installed."""

    def __init__(self, logs: Path) -> None:
        self.port = free_port()
        self._log = logs / f"redis-{self.port}.log"
        self._program = command("redis-server")
        self._process: Process | None = None

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = Process("redis", [self._program, *words], self._log)
        self._process.wait_ready(lambda: listens(self.port))

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.stop()
            self._process = None
