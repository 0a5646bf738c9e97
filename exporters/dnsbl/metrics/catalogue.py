"""The catalogue: each metric of the exporter with its labels, once.

Label values are configured names or members of closed sets: a target, a list's zone without its key,
a code in 127.0.0.0/8. A text that a list sent is never a label value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

from duckwatch.base.gauge import TimeGauge
from exporters.dnsbl.metrics.pairs import PAIR_FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping

RESULTS: Final = ("sent", "rejected", "refused", "dropped")
"""The values of the label `result` of duckwatch_dnsbl_results_total. Each exists from the start, at 0, because
increase() does not see a counter's first sample.
"""

QUERY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5)


class Metrics:
    """Every metric but those of each target and list (`PairLines`), in a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client does not type it
        self.registry = CollectorRegistry()
        self._lists()
        self._inside()

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"duckwatch_dnsbl_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"duckwatch_dnsbl_{name}", about, labels, registry=self.registry)

    def _time(self, name: str, about: str, *labels: str) -> TimeGauge:
        return TimeGauge(f"duckwatch_dnsbl_{name}", about, labels, registry=self.registry)

    def _lists(self) -> None:
        self.verdicts = self._counter("verdicts_total", "Checks ended, by what they came to", "list", "verdict")
        self.queries = self._counter(
            "queries_total", "Queries sent: retries, TXT, test points and probes included", "list"
        )
        self.query_seconds = Histogram(
            "duckwatch_dnsbl_query_seconds",
            "From a query to its answer",
            ("list",),
            buckets=QUERY_BUCKETS,
            registry=self.registry,
        )
        self.list_healthy = self._gauge(
            "list_healthy", "1 when the list answers its test points as it must (RFC 5782)", "list"
        )
        self.list_state = self._gauge(
            "list_state",
            (
                "1 for the state that the list is in; refused: use a resolver of your own (dnsbl.resolvers), "
                "or register with the list"
            ),
            "list",
            "state",
        )
        self.list_breaker_open = self._gauge(
            "list_breaker_open", "1 while the list is left alone after failures in a row", "list"
        )
        self.last_check = self._time(
            "last_check_timestamp_seconds",
            "When the list last gave a real verdict on a target, or was first to be asked for one",
            "list",
        )
        self.check_interval = self._gauge(
            "check_interval_seconds",
            "How often the list is asked about a target: the longest interval of its targets",
            "list",
        )

    def _inside(self) -> None:
        self.targets = self._gauge("targets", "Addresses and domains that are checked")
        self.targets_left_out = self._gauge(
            "targets_left_out", "Targets found by name, or in the collector, that the limits have no room for"
        )
        self.names_unresolved = self._gauge("names_unresolved", "Configured host names that do not resolve now")
        self.target_resolved = self._gauge(
            "target_resolved",
            "0 while a configured host name leads to no address that lists can know, else 1",
            "target",
        )
        self.schedule_lag = self._gauge("schedule_lag_seconds", "How late the check is that has waited longest")
        self.resolver_up = self._gauge("resolver_up", "0 while a resolver is passed over after failures", "resolver")
        self.answers_ignored = self._counter(
            "answers_ignored_total", "Datagrams that answer no question of ours", "reason"
        )
        self.resource_shortages = self._counter(
            "resource_shortages_total",
            "Times that the machine had too little of it: descriptors, memory, threads or disk",
            "resource",
        )
        self.probes = self._counter("probes_total", "Requests to /probe", "result")
        self.results = self._counter("results_total", "Results for the collector", "result")
        for result in RESULTS:
            self.results.labels(result)
        self.results_waiting = self._gauge("results_waiting", "Results that wait for the collector")
        self.reload_successful = self._gauge(
            "config_last_reload_successful", "1 when the configuration was good when it was last read"
        )
        self.reload_success_time = self._time(
            "config_last_reload_success_timestamp_seconds", "When a good configuration was last read"
        )
        self.build_info = Gauge(
            "duckwatch_dnsbl_build_info", "The exporter's version", ("version",), registry=self.registry
        )


def _catalogue() -> dict[str, tuple[str, ...]]:
    found = {family.name: family.labels for family in PAIR_FAMILIES}
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            name = f"{metric._name}_total" if isinstance(metric, Counter) else metric._name  # noqa: SLF001  # no public accessor
            found[name] = tuple(metric._labelnames)  # noqa: SLF001  # no public accessor
    return found


CATALOGUE: Final[Mapping[str, tuple[str, ...]]] = _catalogue()
"""Metric name -> label names. tests/contract compares rules, panels and docs with it."""
