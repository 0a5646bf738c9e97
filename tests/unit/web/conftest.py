"""A real server on loopback, with the real decoder and a list as journal."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from collector.config import load
from collector.events.border.decoding import Border, decode_body
from collector.events.model.event import Source, Submission
from collector.metrics import Metrics
from collector.web import HttpServer, build_server
from duckwatch.base.config.addresses import Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

TOKEN = "a-token-of-the-tests"
BEARER = f"Authorization: Bearer {TOKEN}"


class ServedCollector:
    """The server, its submissions, and the journal's next behaviour."""

    def __init__(self, section: dict[str, Any]) -> None:
        self.metrics = Metrics()
        self.submitted: list[Submission] = []
        self.checks: dict[str, str | None] = {"store": None, "journal": None}
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0
        self.port = 0
        environ = {f"DUCKWATCH_COLLECTOR__{key.upper()}": json.dumps(value) for key, value in section.items()}
        settings = load(None, environ)
        self.server: HttpServer = build_server(
            settings.collector,
            decoders={"/api/events/ingest": self._decode},
            submit=self._submit,
            checks=lambda: self.checks,
            metrics=self.metrics,
            clock_ms=lambda: time.time_ns() // 1_000_000,
        )

    def _decode(self, body: bytes, *, received_at: int, cluster: str | None) -> Submission:
        return decode_body(body, received_at=received_at, source=Source.PLUGIN, border=Border(bound_cluster=cluster))

    async def _submit(self, submission: Submission) -> None:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if self.failure is not None:
            raise self.failure
        self.submitted.append(submission)

    def count(self, name: str, **labels: str) -> float:
        """Return a sample of the registry, 0 when it is missing."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


class ServerStarter(Protocol):
    """Starts a server with keys of the section `collector`, and time limits that are not configurable."""

    def __call__(
        self, *, idle_seconds: float = 75, write_seconds: float = 30, handshake_seconds: float = 10, **section: Any
    ) -> AbstractAsyncContextManager[ServedCollector]: ...


@pytest.fixture
def serve() -> ServerStarter:
    """Return a function whose servers stop at the end of their `async with`."""

    @asynccontextmanager
    async def start(
        *, idle_seconds: float = 75, write_seconds: float = 30, handshake_seconds: float = 10, **section: Any
    ) -> AsyncIterator[ServedCollector]:
        served = ServedCollector({"auth": {"tokens": [{"token": TOKEN}]}} | section)
        served.server._idle_seconds = idle_seconds
        served.server._write_seconds = write_seconds
        served.server._handshake_seconds = handshake_seconds
        [served.port] = await served.server.start(Endpoint("127.0.0.1", 0))
        try:
            yield served
        finally:
            served.gate.set()
            await served.server.stop(5)

    return start


def event(**entry: Any) -> dict[str, Any]:
    """Return one good event with the present time."""
    return {"time": time.time_ns() // 1_000_000, "context": "sender", "entry": {"action": "QUEUED", "id": "1", **entry}}


def events(count: int = 1, **entry: Any) -> bytes:
    """Return a body of good events."""
    return json.dumps([event(**entry) for _ in range(count)]).encode()


async def until(condition: Any, seconds: float = 20) -> None:
    """Wait until the condition holds, or fail."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - polls what no event tells of
            await asyncio.sleep(0.005)
