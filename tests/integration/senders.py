"""Load that retries as the plugin does: a batch is sent with its first times until a collector acknowledges it."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.servers.collector import Collector

SENDERS = 4
BATCH = 25


class Senders:
    """Threads that send batches to one of the collectors, and after a failure to the next, as a load balancer does.

    With `twice`, every batch goes to every collector. The ids of their events begin with `name`. Each thread rests
    `pause_seconds` after a batch.
    """

    def __init__(
        self, collectors: Sequence[Collector], *, twice: bool = False, name: str = "", pause_seconds: float = 0
    ) -> None:
        self._collectors, self._twice, self._name = collectors, twice, name
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self.acknowledged = [0] * SENDERS
        self.repeats = 0
        self._threads = [threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def finish(self) -> int:
        """End after the present batch. Return the number of different acknowledged events."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return sum(self.acknowledged)

    def _send(self, sender: int) -> None:
        batch = 0
        while not self._stop.is_set():
            body = self._body(sender, batch)
            for turn in range(len(self._collectors) if self._twice else 1):
                self._insist(body, sender + batch + turn)
            self.acknowledged[sender] += BATCH
            batch += 1
            self._stop.wait(self._pause_seconds)

    def _insist(self, body: bytes, turn: int) -> None:
        while not self._is_taken(self._collectors[turn % len(self._collectors)], body):
            self.repeats += 1
            turn += 0 if self._twice else 1
            time.sleep(0.02)

    def _body(self, sender: int, batch: int) -> bytes:
        now = int(time.time() * 1000)
        events = [
            {
                "time": now,
                "context": "receiver",
                "entry": {"id": f"{self._name}{sender}.{batch}.{n}", "action": "QUEUED", "to": "a@b.example"},
            }
            for n in range(BATCH)
        ]
        return json.dumps({"cluster": "eu1", "host": f"mta{sender}", "events": events}).encode()

    def _is_taken(self, collector: Collector, body: bytes) -> bool:
        headers = {"Authorization": f"Bearer {collector.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{collector.url}/api/events/ingest", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return bool(answer.status == 202)
        except OSError:  # refused, reset, timed out, or an HTTP error status
            return False
