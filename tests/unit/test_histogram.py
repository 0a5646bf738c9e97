"""The histogram that observes a batch at once counts as one that observes each value."""

from __future__ import annotations

from typing import Any

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.metrics.histogram import Histogram

BUCKETS = (0.5, 1, 2.5, 10)


def samples(registry: prometheus_client.CollectorRegistry) -> dict[Any, float]:
    """Return every sample."""
    return {(s.name, s.labels.get("le")): s.value for family in registry.collect() for s in family.samples}


@given(st.lists(st.sampled_from([0, 0.1, 0.5, 0.50001, 1, 2, 2.5, 9.9, 10, 10.1, 1e9]), max_size=50))
def test_many_at_once_are_the_same_as_one_by_one(values: list[float]) -> None:
    """Observing many values at once gives the same buckets as one by one, bounds included."""
    ours, theirs = prometheus_client.CollectorRegistry(), prometheus_client.CollectorRegistry()
    Histogram("h", "", ["l"], buckets=BUCKETS, registry=ours).labels("x").observe_many(values)
    single = prometheus_client.Histogram("h", "", ["l"], buckets=BUCKETS, registry=theirs).labels("x")
    for value in values:
        single.observe(value)
    found, expected = samples(ours), samples(theirs)
    total = ("h_sum", None)
    # Added in another order, so equal only within a float's precision.
    assert found.pop(total) == pytest.approx(expected.pop(total), rel=1e-12)
    created = ("h_created", None)
    assert {k: v for k, v in found.items() if k != created} == {k: v for k, v in expected.items() if k != created}


def test_each_bucket_shows_the_trace_with_a_value_of_its_own() -> None:
    """Each bucket's exemplar has a value of that bucket, because Prometheus refuses others."""
    registry = prometheus_client.CollectorRegistry()
    histogram = Histogram("h", "", buckets=BUCKETS, registry=registry)
    histogram.observe_many([3])
    histogram.observe_many([0.7, 0.2, 99, 0.6], {"trace_id": "a"})
    [family] = registry.collect()
    shown = {s.labels["le"]: s.exemplar.value for s in family.samples if s.exemplar is not None}
    assert shown == {"0.5": 0.2, "1.0": 0.7, "+Inf": 99}
