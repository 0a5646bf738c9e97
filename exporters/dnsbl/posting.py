"""Changes for the collector (docs/dnsbl.md, "What it posts"): kept in order, sent in batches, sent again until they are taken."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import aiohttp

if TYPE_CHECKING:
    from exporters.dnsbl.board import Change
    from exporters.dnsbl.config.model import CollectorLink
    from exporters.dnsbl.metrics import Metrics

log = logging.getLogger(__name__)

BATCH: Final = 500
MAX_WAITING: Final = 50_000
GATHER_SECONDS: Final = 1.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
TIMEOUT_SECONDS: Final = 30.0
_REFUSED: Final = (400, 413, 415, 422)


def result_of(change: Change) -> dict[str, Any]:
    """One result as it goes over the wire."""
    pair, verdict = change.pair, change.verdict
    assert pair.target is not None
    return {
        "time": change.time_ms,
        "target": pair.target.text,
        "name": pair.name,
        "kind": pair.target.kind.value,
        "list": pair.dns_list.zone,
        "verdict": verdict.word.value,
        "detail": verdict.detail,
        "codes": sorted({code.code for code in verdict.codes} or set(verdict.answers)),
        "meanings": sorted({code.meaning for code in verdict.codes}),
        "severity": verdict.severity,
        "reason": change.reason,
        "previous": change.previous,
        "standing": change.standing,
        "standing_since": change.since_ms,
    }


class Outbox:
    """What waits for the collector. `link` None: nothing is kept."""

    def __init__(self, metrics: Metrics, version: str) -> None:
        self._metrics = metrics
        self._exporter = {"version": version, "host": socket.gethostname()[:255]}
        self._waiting: deque[dict[str, Any]] = deque()
        self._arrived = asyncio.Event()
        self.link: CollectorLink | None = None

    def put(self, change: Change) -> None:
        """Keeps a change until it is sent; the oldest goes when too many wait."""
        if self.link is None or not self.link.post:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._metrics.results.labels("dropped").inc()
        self._waiting.append(result_of(change))
        self._metrics.results_waiting.set(len(self._waiting))
        self._arrived.set()

    async def run(self) -> None:
        """Sends for as long as it is not cancelled."""
        pause, size = FIRST_PAUSE, BATCH
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_SECONDS)) as session:
            while True:
                if not self._waiting:
                    self._arrived.clear()
                    await self._arrived.wait()
                    await asyncio.sleep(GATHER_SECONDS)
                batch = [self._waiting[index] for index in range(min(size, len(self._waiting)))]
                status, retry_after = await self._send(session, batch)
                if 200 <= status < 300:
                    self._forget(batch, "sent")
                    pause, size = FIRST_PAUSE, min(BATCH, 2 * size)
                elif status in _REFUSED and len(batch) > 1:
                    size = len(batch) // 2
                elif status in _REFUSED:
                    log.warning("the collector refused a result", extra={"fields": {"status": status}})
                    self._forget(batch, "refused")
                else:
                    await asyncio.sleep(max(retry_after, pause * random.uniform(0.5, 1)))  # noqa: S311 - only spreads
                    pause = min(2 * pause, LONGEST_PAUSE)

    def _forget(self, batch: list[dict[str, Any]], result: str) -> None:
        sent = {id(one) for one in batch}
        while self._waiting and id(self._waiting[0]) in sent:
            self._waiting.popleft()
        self._metrics.results.labels(result).inc(len(batch))
        self._metrics.results_waiting.set(len(self._waiting))

    async def _send(self, session: aiohttp.ClientSession, batch: list[dict[str, Any]]) -> tuple[int, float]:
        """The answer's status and its Retry-After; 0 when there was none."""
        link = self.link
        if link is None:
            return 0, 0.0
        headers = {"Authorization": f"Bearer {link.token.get_secret_value()}"} if link.token else {}
        body = {"exporter": self._exporter, "results": batch}
        try:
            async with session.post(
                f"{link.url}/api/events/dnsbl", json=body, headers=headers, allow_redirects=False
            ) as answer:
                wait = answer.headers.get("Retry-After", "")
                return answer.status, min(float(wait), LONGEST_PAUSE) if wait.isdecimal() else 0.0
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0, 0.0
