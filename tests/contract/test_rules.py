"""Rules, runbook and documentation agree with the metrics' catalogue and with each other."""

from __future__ import annotations

import re

import pytest
import yaml

from grafana.dashboards.overview import BOUNCE_RATIO_LIMIT
from tests.alert_rules.rules import METRIC, RECORDED, ROOT, RULES, Rule, alerts, all_rules
from tests.contract.promql import CATALOGUE, labels_used, series_of

RUNBOOK = (RULES / "runbook.md").read_text()
ALERTING = (ROOT / "docs" / "alerting.md").read_text()

named = pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
each_alert = pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.name)


@named
def test_a_rule_reads_what_is_exposed(rule: Rule) -> None:
    """Each metric in a rule is in the catalogue, each label is one of that metric, each recorded series is recorded."""
    metrics = METRIC.findall(rule.expr)
    recorded = RECORDED.findall(rule.expr)
    assert {series_of(metric) for metric in metrics} <= set(CATALOGUE)
    assert set(recorded) <= {other.name for other in all_rules() if not other.is_alert}
    known = {"job", "instance", "le"} | {label for metric in metrics for label in CATALOGUE[series_of(metric)]}
    known |= set(re.findall(r'"(\w+)", "[^"]*", "[^"]*", "[^"]*"\)', rule.expr))  # label_replace makes them
    assert labels_used(rule.expr) <= known


@each_alert
def test_the_runbook_has_a_section(rule: Rule) -> None:
    """Each alert has a section in the runbook: its meaning, where to look first, how to fix and how to silence it."""
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
    assert rule.name in sections
    for part in ("**What it means.**", "**Look first", "**Fix", "**Silence"):
        assert part in sections[rule.name]


def test_the_runbook_explains_no_alert_that_is_gone() -> None:
    """Each section of the runbook belongs to an alert."""
    assert set(re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)) == {rule.name for rule in alerts()}


@each_alert
def test_the_documentation_lists_the_alert(rule: Rule) -> None:
    """docs/alerting.md has a row with the alert and its severity."""
    assert re.search(rf"^\| `{rule.name}` \| {rule.body['labels']['severity']} \|", ALERTING, re.MULTILINE)


def test_the_dashboard_draws_the_alerts_limit() -> None:
    """The line in the panel *Bounce ratio* is at the limit of DuckwatchMailBounceRatioHigh."""
    limits = yaml.safe_load((RULES / "thresholds.yml").read_text())["DuckwatchMailBounceRatioHigh"]["limits"]
    assert BOUNCE_RATIO_LIMIT in [limit["value"] for limit in limits]
