"""Exporting metrics by OTLP while the clock changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, Counter

from collector.telemetry.exporting import MetricPush, Watch

if TYPE_CHECKING:
    import pytest
    from opentelemetry.sdk.metrics.export import Sum


class Exporter:
    """Keeps the exports."""

    def __init__(self) -> None:
        self.sent: list[MetricsData] = []

    def export(self, data: MetricsData) -> MetricExportResult:
        self.sent.append(data)
        return MetricExportResult.SUCCESS

    def shutdown(self) -> None:
        """Do nothing."""


def test_no_count_began_in_the_future(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the clock was ahead at the start, counts do not begin in the future: receivers refuse such points."""
    true, exporter, registry = time.time_ns, Exporter(), CollectorRegistry()
    Counter("some", "", registry=registry).inc()
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time_ns", lambda: true() + 72_000 * 10**9)
        push = MetricPush(
            cast("MetricExporter", exporter), Watch("metrics", lambda *_: None), registry, Resource({}), 3600
        )
    push.close()
    (metric,) = exporter.sent[0].resource_metrics[0].scope_metrics[0].metrics
    for point in cast("Sum", metric.data).data_points:
        assert point.start_time_unix_nano <= point.time_unix_nano
