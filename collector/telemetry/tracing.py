"""Spans: one trace from a request over the journal to the commit of its events (docs/telemetry.md).

A span holds numbers and words of closed sets. A sender's only values in it are the ids of its W3C traceparent.
"""

from __future__ import annotations

import dataclasses
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from collector.errors import BadRowError, StoreError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiohttp import web
    from opentelemetry.trace import Span, SpanContext, Tracer

    from collector.events.model.batch import Batch, TracedSubmission, WriteResult
    from collector.events.model.event import Submission

TRACEPARENT: Final = "traceparent"

UNKNOWN_SENDER: Final = 401
"""A request without valid credentials gets no span. Otherwise its sender could fill the queue of spans."""


class _Answer(Protocol):
    @property
    def status(self) -> int: ...


_A = TypeVar("_A", bound=_Answer)

_propagator: Final = TraceContextTextMapPropagator()


class _RequestSpan:
    """A request under way: the values for its span, and the span once it exists."""

    __slots__ = ("began", "parent", "route", "size", "span")

    def __init__(self, route: str, request: web.BaseRequest) -> None:
        self.route, self.parent = route, request.headers.get(TRACEPARENT)
        self.size = request.content_length
        self.began = time.time_ns()
        self.span: Span | None = None


_serving: ContextVar[_RequestSpan | None] = ContextVar("duckwatch_serving", default=None)


class Tracing:
    """Makes the spans of requests. It does not change the result of the calls that it wraps."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def handler(
        self, route: str, handle: Callable[[web.BaseRequest], Awaitable[_A]]
    ) -> Callable[[web.BaseRequest], Awaitable[_A]]:
        """Return the handler with a span around it. The span belongs to the sender's trace if the request names one."""

        async def traced(request: web.BaseRequest) -> _A:
            serving = _RequestSpan(route, request)
            token = _serving.set(serving)
            try:
                answer = await handle(request)
            except BaseException as error:
                self._end(serving, getattr(error, "status", None), type(error).__name__)
                raise
            finally:
                _serving.reset(token)
            self._end(serving, answer.status, None)
            return answer

        return traced

    def submit(self, append: Callable[[Submission], Awaitable[None]]) -> Callable[[Submission], Awaitable[None]]:
        """Return the journal's `append` with a span around it. The journal keeps the trace of each submission."""

        async def traced(submission: Submission) -> None:
            serving = _serving.get()
            span = None if serving is None else self._span(serving)
            if span is None or not span.is_recording():
                await append(submission)
                return
            span.set_attributes(
                {
                    "duckwatch.source": submission.source.value,
                    "duckwatch.events": submission.count,
                    "duckwatch.rejected": len(submission.rejections),
                }
            )
            child = self._tracer.start_span("journal append", trace.set_span_in_context(span))
            try:
                await append(msgspec.structs.replace(submission, trace=traceparent(span.get_span_context())))
            except BaseException as error:
                _fail(child, type(error).__name__)
                raise
            finally:
                child.end()

        return traced

    def store(self, store: BatchStore) -> TracedStore:
        """Return the store with spans around its writes."""
        return TracedStore(store, self._tracer)

    def exemplar(self) -> dict[str, str] | None:
        """Return the exemplar labels of the current request, or None if it has no trace."""
        serving = _serving.get()
        return None if serving is None or serving.span is None else exemplar(serving.span)

    def _span(self, serving: _RequestSpan) -> Span:
        if serving.span is None:
            parent = _context(serving.parent)
            serving.span = self._tracer.start_span(
                f"POST {serving.route}", parent, SpanKind.SERVER, start_time=serving.began
            )
        return serving.span

    def _end(self, serving: _RequestSpan, status: int | None, failure: str | None) -> None:
        if serving.span is None and status == UNKNOWN_SENDER:
            return
        span = self._span(serving)
        span.set_attributes({"http.request.method": "POST", "http.route": serving.route})
        if serving.size is not None:
            span.set_attribute("http.request.body.size", serving.size)
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if status is None or status >= 500:
            _fail(span, failure or str(status))
        span.end()


class BatchStore(Protocol):
    """The interface of the store (`pipeline.writer.Store`)."""

    def write(self, batch: Batch) -> WriteResult:
        """Commit the batch."""

    def abandon(self) -> None:
        """Break off a write under way."""


class TracedStore:
    """The store with a span around each write. Each traced request gets a span in its own trace too, which ends with
    the commit.

    The span of the write belongs to the trace of the first traced request. It is linked to the other requests, and
    their spans are linked to it. The sampler's decision on a request also holds for its write.
    """

    def __init__(self, store: BatchStore, tracer: Tracer) -> None:
        self._store, self._tracer = store, tracer

    def write(self, batch: Batch) -> WriteResult:
        """Commit the batch. Return and raise what the store does."""
        if not batch.traces:
            return self._store.write(batch)
        parents = [_context(one.parent) for one in batch.traces]
        span = self._tracer.start_span(
            "write batch",
            parents[0],
            SpanKind.CLIENT,
            {
                "db.system.name": "postgresql",
                "duckwatch.events": len(batch.events),
                "duckwatch.dead_letters": len(batch.letters),
                "duckwatch.traced_requests": len(parents),
            },
            links=[Link(_named(parent)) for parent in parents[1:]],
        )
        try:
            written = self._store.write(batch)
        except BaseException as error:
            _fail(span, _kind(error))
            span.end()
            raise
        span.set_attribute("duckwatch.new_events", len(written.new_events))
        ended = time.time_ns()
        span.end(ended)
        self._tell_requests(batch.traces, parents, span.get_span_context(), ended)
        return dataclasses.replace(written, exemplar=exemplar(span))

    def abandon(self) -> None:
        """Break off a write under way."""
        self._store.abandon()

    def _tell_requests(
        self, traces: Sequence[TracedSubmission], parents: Sequence[Context], write: SpanContext, ended: int
    ) -> None:
        links = [Link(write)]
        for one, parent in zip(traces, parents, strict=True):
            # The journal keeps the receipt in milliseconds, so the span can begin there even after a restart.
            began = min(one.received_at * 1_000_000, ended)
            self._tracer.start_span("store", parent, SpanKind.CONSUMER, links=links, start_time=began).end(ended)


def traceparent(context: SpanContext) -> str:
    """Return the traceparent of a span (W3C Trace Context, 3.2), which the journal keeps."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(NonRecordingSpan(context), Context()))
    return carrier[TRACEPARENT]


def exemplar(span: Span) -> dict[str, str] | None:
    """Return the labels of an exemplar (OpenMetrics, "Exemplars"), or None if the span is not sampled."""
    context = span.get_span_context()
    if not context.trace_flags.sampled:
        return None
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}


def _context(parent: str | None) -> Context:
    """Return the context of a traceparent; an empty one if it is missing or not valid.
    The tracestate is not read, because it is the sender's text.
    """
    return _propagator.extract({} if parent is None else {TRACEPARENT: parent}, Context())


def _named(context: Context) -> SpanContext:
    return trace.get_current_span(context).get_span_context()


def _kind(error: BaseException) -> str:
    if isinstance(error, StoreUnavailableError):
        return error.kind
    return "bad_row" if isinstance(error, BadRowError) else "other" if isinstance(error, StoreError) else "internal"


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
