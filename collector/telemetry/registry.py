"""Converts the metrics of `/metrics` to OTLP's data model. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family
    from prometheus_client.samples import Exemplar as PrometheusExemplar
    from prometheus_client.samples import Sample

Labels: TypeAlias = tuple[tuple[str, str], ...]

CUMULATIVE = AggregationTemporality.CUMULATIVE


def metrics_data(
    registry: CollectorRegistry, *, resource: Resource, scope: InstrumentationScope, began: int, now: int
) -> MetricsData:
    """Return every metric of the registry. `began` is when the registry began to count, `now` the time of this reading,
    both in epoch nanoseconds.

    Counters and histograms are cumulative. The name of a counter has no `_total`, like its family in OpenMetrics.
    """
    metrics = [metric for family in registry.collect() if (metric := _metric(family, began, now)) is not None]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, metrics, "")], "")])


def _metric(family: Family, began: int, now: int) -> Metric | None:
    data: Sum | Gauge | Histogram
    match family.type:
        case "counter":
            data = Sum(list(_numbers(family, began, now)), CUMULATIVE, is_monotonic=True)
        case "gauge":
            data = Gauge(list(_numbers(family, began, now)))
        case "histogram":
            data = Histogram(list(_histograms(family, began, now)), CUMULATIVE)
        case _:
            return None
    return Metric(family.name, family.documentation, family.unit, data) if data.data_points else None


def _numbers(family: Family, began: int, now: int) -> Iterator[NumberDataPoint]:
    for sample in family.samples:
        yield NumberDataPoint(dict(sample.labels), began, now, sample.value, _exemplars([sample]))


def _histograms(family: Family, began: int, now: int) -> Iterator[HistogramDataPoint]:
    series: dict[Labels, dict[str, list[Sample]]] = {}
    for sample in family.samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != "le")
        kinds = series.setdefault(labels, {"_bucket": [], "_count": [], "_sum": []})
        kinds[sample.name.removeprefix(family.name)].append(sample)
    for labels, kinds in series.items():
        buckets = kinds["_bucket"]
        upto = [int(bucket.value) for bucket in buckets]
        yield HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=began,
            time_unix_nano=now,
            count=upto[-1],
            sum=kinds["_sum"][0].value,
            # A Prometheus bucket counts all values below its bound, an OTLP bucket only those above the bound before.
            bucket_counts=[high - low for low, high in zip([0, *upto], upto, strict=False)],
            explicit_bounds=[bound for bucket in buckets if (bound := float(bucket.labels["le"])) < math.inf],
            # The registry has no minimum and maximum.
            min=None,  # type: ignore[arg-type]
            max=None,  # type: ignore[arg-type]
            exemplars=_exemplars(buckets),
        )


def _exemplars(samples: Sequence[Sample]) -> list[Exemplar]:
    return [_exemplar(sample.exemplar) for sample in samples if sample.exemplar is not None]


def _exemplar(found: PrometheusExemplar) -> Exemplar:
    return Exemplar(
        filtered_attributes={},
        value=found.value,
        time_unix_nano=int(float(found.timestamp or 0) * 1e9),
        span_id=int(found.labels["span_id"], 16),
        trace_id=int(found.labels["trace_id"], 16),
    )
