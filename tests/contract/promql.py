"""Find the metrics (without histogram suffix) and labels in a PromQL expression."""

from __future__ import annotations

import re

from collector.metrics import CATALOGUE as OF_COLLECTOR
from duckwatch.rules.limits import OVERRIDING, THRESHOLD
from exporters.dnsbl.metrics import CATALOGUE as OF_EXPORTER
from tests.contract.others import recorded

OTHERS = recorded()
OF_PROMETHEUS = {
    "ALERTS": ["alertname", "alertstate", "severity", "team", "component", "mail_cluster", "target", "list"]
}
"""The series that Prometheus makes of alerts: the labels that our rules give each of them, their cluster, what is
listed, and where."""

CATALOGUE = {**OF_COLLECTOR, **OF_EXPORTER, **OTHERS["zonemta"], **OTHERS["wildduck"], **OF_PROMETHEUS}
"""Every metric that a panel or a rule may read, with its labels."""

COUNTERS = {name for name in CATALOGUE if name.endswith("_total")} | {
    "zonemta_delivery_status",
    "zonemta_message_push",
    "zonemta_message_drop",
    "zonemta_bounce_generation",
}
"""Those that count up. ZoneMTA's have no `_total`."""

METRIC = re.compile(r"(?<![:\w\"|])(?:(?:duckwatch|zonemta|wildduck)_\w+|ALERTS\b)")
RECORDED = re.compile(r"(?<![:\w])\w+:duckwatch_\w+:\w+")
SUFFIX = re.compile(r"_(bucket|count|sum)$")


def series_of(name: str) -> str:
    """Return the catalogue's name of a series: without `_bucket`, `_count` or `_sum` for a histogram."""
    return name if name in CATALOGUE else SUFFIX.sub("", name)


def labels_kept(name: str) -> list[str]:
    """Return the labels in a recorded series's name: `mail_cluster` and `zone` of `mail_cluster_zone:…`."""
    return re.findall(r"mail_cluster|local_ip|[a-z]+", name.partition(":")[0].removeprefix("all"))


def labels_used(expr: str) -> set[str]:
    """Return the labels in matchers and groupings."""
    matchers = [
        part for braces in re.findall(r"\{([^}]*)\}", expr) for part in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", braces)
    ]
    groupings = [
        label
        for names in re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expr)
        for label in re.findall(r"\w+", names)
    ]
    return {*matchers, *groupings}


def labels_of_series(expr: str) -> set[str]:
    """Return the labels of the metrics and recorded series that an expression reads."""
    metrics = {label for name in METRIC.findall(expr) for label in CATALOGUE[series_of(name)]}
    recorded = {label for name in RECORDED.findall(expr) for label in labels_kept(name)}
    return metrics | recorded | ({"name", *OVERRIDING} if THRESHOLD in expr else set())
