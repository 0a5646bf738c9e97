"""Sends spans and metrics by the SDK's exporters, as the environment configures them. A receiver that is down causes
only two log lines.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from collector.telemetry.registry import metrics_data
from collector.telemetry.tracing import Tracing
from duckwatch.base.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Tracer
    from prometheus_client import CollectorRegistry

    from collector.telemetry.environment import Signals

log = logging.getLogger(__name__)

NAME: Final = "duckwatch"
SERVICE: Final = "duckwatch-collector"
TOLD_SECONDS: Final = 600.0
"""The least time between two warnings about the same signal."""

CLOSE_SECONDS: Final = 3.0
"""The time limit for the last spans and metrics at the end, so that a receiver that hangs does not delay it."""

QUIET_LOGGERS: Final = ("opentelemetry", "urllib3", "requests", "grpc")
"""Loggers that report each failed attempt, every few seconds, while the receiver is down."""


class Watch:
    """Counts the exports of a signal, and logs when they begin to fail and when they succeed again."""

    def __init__(self, signal: str, count: Callable[[str, str], object]) -> None:
        self._signal, self._count = signal, count
        self._told_at = float("-inf")
        self._is_told = False

    def note(self, *, succeeded: bool) -> None:
        """Count the result of one export."""
        self._count(self._signal, "succeeded" if succeeded else "failed")
        fields = {"fields": {"signal": self._signal}}
        if succeeded and self._is_told:
            self._is_told = False
            log.warning("telemetry is exported again", extra=fields)
        elif not succeeded and not self._is_told and time.monotonic() - self._told_at > TOLD_SECONDS:
            self._is_told, self._told_at = True, time.monotonic()
            log.warning("telemetry cannot be exported: what does not fit its queue is dropped", extra=fields)


class WatchedExporter(SpanExporter):
    """An exporter of spans whose results are counted."""

    def __init__(self, inner: SpanExporter, watch: Watch) -> None:
        self._inner, self._watch = inner, watch

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans. Raise nothing."""
        try:
            result = self._inner.export(spans)
        except Exception:  # noqa: BLE001  # any error of a transport is counted and logged
            result = SpanExportResult.FAILURE
        self._watch.note(succeeded=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """Cancel the export under way."""
        self._inner.shutdown()


class MetricPush:
    """A thread that sends the metrics every `seconds`, and once more at the end."""

    def __init__(
        self,
        exporter: MetricExporter,
        watch: Watch,
        registry: CollectorRegistry,
        resource: Resource,
        seconds: float,
    ) -> None:
        self._exporter, self._watch, self._registry, self._resource = exporter, watch, registry, resource
        self._seconds, self._began = seconds, time.time_ns()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send once more and end."""
        self._stop.set()
        self._thread.join()
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self._export()
        self._export()

    def _export(self) -> None:
        scope, now = InstrumentationScope(NAME), time.time_ns()
        # If the clock was ahead at the start, receivers would refuse points with a start in the future.
        self._began = min(self._began, now)
        try:
            data = metrics_data(self._registry, resource=self._resource, scope=scope, began=self._began, now=now)
            result = self._exporter.export(data)
        except Exception:  # noqa: BLE001  # as for spans
            result = MetricExportResult.FAILURE
        self._watch.note(succeeded=result is MetricExportResult.SUCCESS)


class Telemetry:
    """The exporters while telemetry is on. `count` is called with the signal and the result of each export.
    The constructor raises `StartError`.
    """

    def __init__(
        self,
        signals: Signals,
        registry: CollectorRegistry,
        *,
        version: str,
        instance: str,
        count: Callable[[str, str], object],
    ) -> None:
        # gRPC's C code writes to standard error and uses no logger.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        told = Resource({"service.name": SERVICE, "service.version": version, "service.instance.id": instance})
        try:
            resource = told.merge(OTELResourceDetector().detect())
            self.tracer, self._provider = _tracer(signals, resource, count)
            self._push = _push(signals, resource, registry, count)
        except (ValueError, OSError, RuntimeError) as error:
            raise StartError(
                f"telemetry cannot be set up ({type(error).__name__}): look at the variables OTEL_*, or unset them"
            ) from None
        for name in QUIET_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)

    @property
    def tracing(self) -> Tracing | None:
        """The maker of spans, or None if only metrics are sent."""
        return None if self.tracer is None else Tracing(self.tracer)

    def close(self) -> None:
        """Send the last spans and metrics, for up to CLOSE_SECONDS. A thread that still hangs ends with the program."""
        last = [part for part in (self._provider and self._provider.shutdown, self._push and self._push.close) if part]
        threads = [threading.Thread(target=part, daemon=True) for part in last]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _tracer(
    signals: Signals, resource: Resource, count: Callable[[str, str], object]
) -> tuple[Tracer | None, TracerProvider | None]:
    if signals.traces is None:
        return None, None
    # Sampler and limits come from the environment. The SDK's own exit hook would wait for a receiver that hangs.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = WatchedExporter(span_exporter(signals.traces), Watch("traces", count))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider.get_tracer(NAME), provider


def _push(
    signals: Signals, resource: Resource, registry: CollectorRegistry, count: Callable[[str, str], object]
) -> MetricPush | None:
    if signals.metrics is None:
        return None
    exporter = metric_exporter(signals.metrics)
    return MetricPush(exporter, Watch("metrics", count), registry, resource, signals.metric_seconds)


def span_exporter(protocol: str) -> SpanExporter:
    """Return the exporter of spans for `grpc` or `http/protobuf`, as the environment configures it."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc  # noqa: PLC0415

        return Grpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  # one of both

    return OTLPSpanExporter()


def metric_exporter(protocol: str) -> MetricExporter:
    """Return the exporter of metrics for `grpc` or `http/protobuf`, as the environment configures it."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as Grpc  # noqa: PLC0415

        return Grpc()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415  # one of both

    return OTLPMetricExporter()


def is_taken(signal: str, protocol: str) -> bool:
    """Return True if the receiver accepts an empty export of `traces` or `metrics`, within the exporter's timeout."""
    try:
        if signal == "traces":
            return span_exporter(protocol).export([]) is SpanExportResult.SUCCESS
        return metric_exporter(protocol).export(MetricsData([])) is MetricExportResult.SUCCESS
    except Exception:  # noqa: BLE001  # any error of the set-up or the transport
        return False
