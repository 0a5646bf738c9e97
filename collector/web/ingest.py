"""The ingest of one request: authenticate, read and decode the body, store it in the journal, acknowledge."""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Final, Protocol

from collector.errors import OverloadedError, UnreadableError
from collector.web.answers import accepted
from collector.web.body import require_whole_body
from collector.web.signature import UnverifiedSignature

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor

    from aiohttp import web
    from prometheus_client import Counter

    from collector.events.model.event import Source, Submission
    from collector.metrics import Metrics
    from collector.web.answers import Answer
    from collector.web.auth import Authenticator, Sender
    from collector.web.body import BodyReader
    from collector.web.limits import Inflight, Lease

LARGE_BODY_BYTES: Final = 128 << 10
"""A larger body is decoded in a thread, so that small requests do not wait for it."""


def no_trace() -> None:
    """Return None: the exemplar while tracing is off."""


class Decoder(Protocol):
    """Turns a body into a submission. Pure; may run in any thread; raises only RequestError."""

    def __call__(self, body: bytes, *, received_at: int, cluster: str | None) -> Submission:
        """`received_at` is epoch ms; `cluster` is the credential's, or None if each event names its own."""


class Ingest:
    """The handler of one ingest route. `submit` returns once the submission is on disk, or raises OverloadedError.
    `exemplar` returns the labels that name the trace of the current request, or None.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        bodies: BodyReader,
        inflight: Inflight,
        unproven: Inflight,
        decode: Decoder,
        submit: Callable[[Submission], Awaitable[None]],
        clock_ms: Callable[[], int],
        executor: Executor,
        metrics: Metrics,
        exemplar: Callable[[], dict[str, str] | None] = no_trace,
    ) -> None:
        self._authenticator = authenticator
        self._bodies = bodies
        self._inflight = inflight
        self._unproven = unproven
        self._decode = decode
        self._submit = submit
        self._clock_ms = clock_ms
        self._executor = executor
        self._metrics = metrics
        self._exemplar = exemplar
        self._events: dict[Source, Counter] = {}

    async def handle(self, request: web.BaseRequest) -> Answer:
        """Return the answer 202, or raise RequestError. If the client disconnects, its request is stored whole or not
        at all.
        """
        started = perf_counter()
        lease = self._inflight.lease()
        try:
            return await self._take(request, lease)
        finally:
            lease.release()
            self._metrics.ingest_seconds.observe(perf_counter() - started, self._exemplar())

    async def _take(self, request: web.BaseRequest, lease: Lease) -> Answer:
        sender = self._authenticator.identify(request)
        if isinstance(sender, UnverifiedSignature):
            sender, body = await self._proven(request, lease, sender)
        else:
            sender.rate.admit()
            body = await self._bodies.read(request, lease)
        try:
            batch = await self._decoded(body, sender.cluster)
        except UnreadableError:
            require_whole_body(request, body)
            raise
        count = batch.count
        events = count + len(batch.rejections)
        sender.rate.charge(events)
        if not batch.is_empty:
            try:
                await self._submit(batch)
            except OverloadedError:
                sender.rate.charge(-events)
                raise
        self._count(batch, count)
        return accepted(request, count, batch.rejections)

    async def _proven(self, request: web.BaseRequest, lease: Lease, claim: UnverifiedSignature) -> tuple[Sender, bytes]:
        """Return the sender and the body of a signed request. The sender is known only once the body is complete."""
        lease.doubt(self._unproven)
        received = await self._bodies.receive(request, lease)
        verify = partial(self._authenticator.verify, claim, received)
        if len(received) <= LARGE_BODY_BYTES:
            sender = verify()
        else:
            sender = await asyncio.get_running_loop().run_in_executor(self._executor, verify)
        lease.trust()
        sender.rate.admit()
        return sender, self._bodies.inflated(request, received, lease)

    async def _decoded(self, body: bytes, cluster: str | None) -> Submission:
        if len(body) <= LARGE_BODY_BYTES:
            return self._decode(body, received_at=self._clock_ms(), cluster=cluster)
        decode = partial(self._decode, body, received_at=self._clock_ms(), cluster=cluster)
        return await asyncio.get_running_loop().run_in_executor(self._executor, decode)

    def _count(self, batch: Submission, count: int) -> None:
        if count:
            counter = self._events.get(batch.source)
            if counter is None:
                counter = self._events[batch.source] = self._metrics.ingest_events.labels(batch.source)
            counter.inc(count)
        for rejection in batch.rejections:
            self._metrics.ingest_rejected.labels(batch.source, rejection.reason).inc()
