"""The registry as OTLP: the same numbers, read back with OpenTelemetry's own messages."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry, Counter, Gauge, Info

from collector.metrics.histogram import Histogram
from collector.telemetry.registry import metrics_data

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

BUCKETS = (0.5, 1, 2.5)
LABELS = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}


def sent(registry: CollectorRegistry) -> dict[str, Metric]:
    """Return the metrics that a receiver reads, by name."""
    data = metrics_data(registry, resource=Resource({}), scope=InstrumentationScope("x"), began=1, now=2)
    [resource] = encode_metrics(data).resource_metrics
    [scope] = resource.scope_metrics
    return {metric.name: metric for metric in scope.metrics}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, 0.5, 0.7, 1, 2, 2.5, 9])), max_size=40))
def test_a_histogram_is_the_same_histogram(values: list[tuple[str, float]]) -> None:
    """A histogram has the same counts in each bucket, bounds included, for each set of labels."""
    registry = CollectorRegistry()
    histogram = Histogram("h", "about", ["l"], buckets=BUCKETS, registry=registry)
    for label, value in values:
        histogram.labels(label).observe(value)
    points = sent(registry)["h"].histogram.data_points if values else []
    assert {point.attributes[0].value.string_value for point in points} == {label for label, _ in values}
    for point in points:
        own = [value for label, value in values if label == point.attributes[0].value.string_value]
        edges = [float("-inf"), *BUCKETS, float("inf")]
        expected = [sum(low < value <= high for value in own) for low, high in pairwise(edges)]
        assert (list(point.bucket_counts), list(point.explicit_bounds)) == (expected, list(BUCKETS))
        assert (point.count, round(point.sum - sum(own), 6)) == (len(own), 0)
        assert not point.HasField("min")


def test_counters_gauges_and_exemplars_arrive() -> None:
    """Counters (cumulative, from the process's start), gauges and exemplars are exported, an info is not."""
    registry = CollectorRegistry()
    Counter("c_total", "about", ["l"], registry=registry).labels("x").inc(3)
    Counter("unused_total", "about", ["l"], registry=registry)
    Gauge("g", "about", registry=registry).set(float("nan"))
    Info("i", "about", registry=registry).info({"a": "b"})
    Histogram("h", "about", buckets=BUCKETS, registry=registry).observe_many([0.1, 0.9, 0.8], LABELS)
    found = sent(registry)
    assert set(found) == {"c", "g", "h"}
    [point] = found["c"].sum.data_points
    assert (point.as_double, point.start_time_unix_nano, point.time_unix_nano) == (3, 1, 2)
    assert (found["c"].sum.is_monotonic, found["c"].sum.aggregation_temporality) == (True, 2)
    assert found["g"].gauge.data_points[0].as_double != found["g"].gauge.data_points[0].as_double
    [point] = found["h"].histogram.data_points
    shown = [(x.as_double, x.trace_id.hex(), x.span_id.hex()) for x in point.exemplars]
    assert shown == [(0.1, *LABELS.values()), (0.9, *LABELS.values())]
