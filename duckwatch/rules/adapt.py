"""Adapt rule files to a house: pure functions from documents to documents."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from duckwatch.base.config.units import format_duration, parse_duration
from duckwatch.base.selectors import selected
from duckwatch.rules.placeholders import GRAFANA, RUNBOOK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckwatch.rules.limits import Rule
    from duckwatch.rules.pack import Document

SCRAPES: Final = 4
"""The fewest scrapes that a shortened time spans: fewer would see a single sample, or none."""

_RANGE: Final = re.compile(r"(?P<before>\[|:(?=[0-9]+[a-z]+\])|\boffset\s+)(?P<time>[0-9]+[a-z]+)")
_SEVERITY: Final = re.compile(r"(?P<before>\bseverity(?:\s*=~?\s*|\s+(?=\")))(?P<quote>\"?)(?P<words>[\w|]+)(?P=quote)")
"""A matcher (`severity =~ "warning|info"`), or a comparison of a template (`eq .CommonLabels.severity "critical"`)."""

_SHOWN: Final = re.compile(r"\$labels\.(\w+)")
"""A label of an alert's series, in its text."""

_OF_PROMETHEUS: Final = frozenset({"alertname", "instance", "job"})


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What differs in a house. The defaults change nothing.

    `severities` maps our words to the house's. `labels` are added to each alert. `jobs` maps a program (`collector`,
    `dnsbl`, `zonemta`, `wildduck`) to label matchers for its metrics. `faster` divides `for`, `keep_firing_for`, ranges
    and offsets, down to four times `scrape_interval`, and the interval of a group, down to one.
    """

    runbook_url: str = RUNBOOK
    grafana_url: str = GRAFANA
    severities: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    jobs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    faster: int = 1
    scrape_interval: timedelta = timedelta(seconds=15)


def adapted(document: Document, adaptation: Adaptation) -> Document:
    """Return the rule file for the house.

    Raise ValueError if a label of the house is one that our alerts have already.
    """
    copy = deepcopy(document)
    for group in copy["groups"]:
        if "interval" in group:
            group["interval"] = _divided(group["interval"], adaptation, scrapes=1)
        for rule in group["rules"]:
            _adapt(rule, adaptation)
    return copy


def worded(text: str, adaptation: Adaptation) -> str:
    """Return Alertmanager's configuration, its templates or the runbook with the house's words for the severities."""
    return _SEVERITY.sub(
        lambda found: f"{found['before']}{found['quote']}{_words(found, adaptation)}{found['quote']}", text
    )


def _words(found: re.Match[str], adaptation: Adaptation) -> str:
    return "|".join(adaptation.severities.get(word, word) for word in found["words"].split("|"))


def _adapt(rule: Rule, adaptation: Adaptation) -> None:
    rule["expr"] = _shorter(selected(str(rule["expr"]), adaptation.jobs), adaptation)
    for key in ("for", "keep_firing_for"):
        if key in rule:
            rule[key] = _divided(rule[key], adaptation)
    if "alert" in rule:
        _label(rule, adaptation)
        annotations: dict[str, Any] = rule["annotations"]
        for name, text in annotations.items():
            annotations[name] = text.replace(RUNBOOK, adaptation.runbook_url).replace(GRAFANA, adaptation.grafana_url)


def _label(rule: Rule, adaptation: Adaptation) -> None:
    """Add the labels of the house. One that tells alerts apart is refused: with it they would all be the same alert."""
    labels: dict[str, str] = rule["labels"]
    its_own = labels.keys() | _OF_PROMETHEUS | set(_SHOWN.findall("".join(rule["annotations"].values())))
    taken = sorted(its_own & adaptation.labels.keys())
    if taken:
        raise ValueError(f"the label {taken[0]} is one of duckwatch's alerts: choose another name")
    labels["severity"] = adaptation.severities.get(labels["severity"], labels["severity"])
    labels.update(adaptation.labels)


def _shorter(expr: str, adaptation: Adaptation) -> str:
    return _RANGE.sub(lambda found: found["before"] + _divided(found["time"], adaptation), expr)


def _divided(time: str, adaptation: Adaptation, scrapes: int = SCRAPES) -> str:
    """Return the time as it is, or a shorter one that spans at least so many scrapes; a shorter time stays."""
    if adaptation.faster == 1:
        return time
    whole = parse_duration(time)
    seconds = max(whole // adaptation.faster, adaptation.scrape_interval * scrapes) // timedelta(seconds=1)
    return format_duration(min(whole, timedelta(seconds=seconds)))
