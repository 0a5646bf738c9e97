"""Find the metrics (without histogram suffix) and labels in a PromQL expression."""

from __future__ import annotations

import re

from collector.metrics import CATALOGUE as OF_COLLECTOR
from exporters.dnsbl.metrics import CATALOGUE as OF_EXPORTER
from tests.contract.others import recorded

OTHERS = recorded()
CATALOGUE = {**OF_COLLECTOR, **OF_EXPORTER, **OTHERS["zonemta"], **OTHERS["wildduck"]}
"""Every metric that a panel or a rule may read, with its labels."""

SUFFIX = re.compile(r"_(bucket|count|sum)$")


def series_of(name: str) -> str:
    """Return the catalogue's name of a series: without `_bucket`, `_count` or `_sum` for a histogram."""
    return name if name in CATALOGUE else SUFFIX.sub("", name)


def labels_kept(name: str) -> list[str]:
    """Return the labels in a recorded series's name: `mail_cluster` and `zone` of `mail_cluster_zone:…`."""
    return re.findall(r"mail_cluster|[a-z]+", name.partition(":")[0])


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
