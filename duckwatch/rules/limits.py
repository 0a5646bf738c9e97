"""Generate recording/limits.yml: the series that alerts compare with, one for each mail cluster, zone or provider.

An alert compares with `<level>:duckwatch_<name>:limit`. `level` says by which labels the number may differ, and `name`
is a line of thresholds.yml. The generator finds the pairs in the rules, so nothing else registers them.
"""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Rule = dict[str, Any]
"""One rule of a rule file, as YAML holds it."""

THRESHOLD: Final = "name:duckwatch_threshold:value"
WITHOUT_LABELS: Final = "all"
PLAIN_LINE: Final = "name:duckwatch_threshold:line"
"""The lines of thresholds.yml without labels; others have their labels in the name."""

LIMIT: Final = re.compile(r"(?<![\w:])(\w+):duckwatch_(\w+):limit\b")

OVERRIDING: Final = ("provider", "zone", "mail_cluster")
"""The labels that a line of thresholds.yml may carry; between lines with as many labels, the earlier label wins."""

_MAIL: Final = "mail_cluster_zone_provider:duckwatch_mail:known"

POPULATION: Final = {
    "mail_cluster_zone_provider": (_MAIL,),
    "mail_cluster_zone": (_MAIL, "duckwatch_queue_messages"),
    "mail_cluster_provider": (_MAIL, "duckwatch_mail_new_patterns", "duckwatch_mail_complaints_total"),
    "mail_cluster": (
        _MAIL,
        "duckwatch_mail_recipients_queued_total",
        "duckwatch_last_event_timestamp_seconds",
        "duckwatch_plugin_info",
        "duckwatch_changestream_lag_seconds",
        "duckwatch_changestream_errors_total",
        "duckwatch_auth_events_total",
        "duckwatch_backup_recovered_total",
    ),
    "provider": (
        _MAIL,
        "local_ip_provider:duckwatch_sending_ip_events:rate5m",
        "local_ip_provider_code:duckwatch_mail_provider_signals:increase1h",
    ),
}
"""For each level the series whose label values get a limit."""


def limits_used(expressions: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of level and threshold name that the expressions compare with, sorted, each once."""
    return sorted({(level, name) for expr in expressions for level, name in LIMIT.findall(expr)})


def limit_rules(used: Iterable[tuple[str, str]]) -> Iterator[Rule]:
    """Yield the recording rules: the lines of thresholds.yml by the labels that they carry, for each level its known
    label values and those that a line names, then a limit for each name.

    Raise KeyError for a level that has no population.
    """
    pairs = list(used)
    for chosen in sorted({chosen for level, _ in pairs for chosen in _choices(level)}, key=lambda one: (len(one), one)):
        yield {"record": _lines(chosen), "expr": _one_line(chosen)}
    for level in sorted({level for level, _ in pairs} - {WITHOUT_LABELS}):
        known = "\n  or ".join(map(_lasting, POPULATION[level]))
        yield {"record": _known(level), "expr": f"group by ({', '.join(labels_of(level))}) (\n  {known}\n)"}
        yield {"record": _overridden(level), "expr": _named(level)}
    for level, name in pairs:
        yield {"record": f"{level}:duckwatch_{name}:limit", "expr": _expression(level, name)}


def labels_of(level: str) -> list[str]:
    """Return the labels in a level: `mail_cluster` and `zone` of `mail_cluster_zone`."""
    return re.findall(r"mail_cluster|zone|provider", level)


def _lasting(series: str) -> str:
    """Return a selector that a failed scrape leaves as it is: without its limit, an alert would start anew."""
    return series if ":" in series else f"present_over_time({series}[10m])"


def _known(level: str) -> str:
    return f"{level}:duckwatch_limits:known"


def _expression(level: str, name: str) -> str:
    """Return the choice of the line: those with most labels first, each only where it has exactly these labels."""
    line = f'{{name="{name}"}}'
    if level == WITHOUT_LABELS:
        return f"max({_lines(())}{line})"
    return "\nor ".join(
        f"{_overridden(level) if chosen else _known(level)}"
        f"\n  * on ({', '.join(chosen)}) group_left ()\n  {_lines(chosen)}{line}"
        for chosen in _choices(level)
    )


def _choices(level: str) -> list[tuple[str, ...]]:
    """Return the sets of labels that a line for the level may carry, the largest first."""
    labels = _overriding(level)
    return [chosen for size in range(len(labels), -1, -1) for chosen in combinations(labels, size)]


def _overriding(level: str) -> list[str]:
    return [label for label in OVERRIDING if label in labels_of(level)]


def _overridden(level: str) -> str:
    return f"{level}:duckwatch_limits:overridden"


def _named(level: str) -> str:
    """Return the label values of which some line names one. A house has few lines, so each limit asks these alone."""
    return "\nor ".join(
        f'{_known(level)}\n  and on ({label}) {THRESHOLD}{{{label}!=""}}' for label in _overriding(level)
    )


def _lines(chosen: tuple[str, ...]) -> str:
    """Return the series of the lines that carry exactly the chosen labels.

    They are apart, because Prometheus searches every series that it has for a label that is not there.
    """
    return "_".join(("name", *chosen)) + PLAIN_LINE.removeprefix("name")


def _one_line(chosen: tuple[str, ...]) -> str:
    """Return the lines that carry exactly the chosen labels, one for each place, without further labels.

    With two lines for one place Prometheus would give up the limit. The line without further labels counts; where every
    line has some, as the external labels that Thanos adds, the largest number.
    """
    lines = f"{THRESHOLD}{{{_carrying(chosen)}}}"
    largest = f"max by ({', '.join(('name', *chosen))}) (\n    {lines}\n  )"
    return f"{lines}\n  and {largest}\nor {largest}"


def _carrying(chosen: tuple[str, ...]) -> str:
    """Return the matchers for the lines that carry exactly the chosen labels."""
    return ",".join(f'{label}{"!=" if label in chosen else "="}""' for label in OVERRIDING)
