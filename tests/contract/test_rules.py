"""Rules, runbook and documentation agree with the metrics' catalogue and with each other."""

from __future__ import annotations

import re

import pytest

from collector.events.replies.provider_codes import SIGNALS
from grafana.dashboards.overview import HARD_BOUNCE_LIMITS, LEAST_PER_HOUR
from tests.alert_rules.rules import ROOT, RULES, Rule, alerts, all_rules
from tests.contract.promql import CATALOGUE, METRIC, RECORDED, labels_of_series, labels_used, series_of

RUNBOOK = (RULES / "runbook.md").read_text()
ALERTING = (ROOT / "docs" / "alerting.md").read_text()

named = pytest.mark.parametrize("rule", all_rules(), ids=str)
each_alert = pytest.mark.parametrize("rule", alerts(), ids=str)


@named
def test_a_rule_reads_what_is_exposed(rule: Rule) -> None:
    """Each metric in a rule is in the catalogue, each label is one of that metric, each recorded series is recorded."""
    metrics = METRIC.findall(rule.expr)
    recorded = RECORDED.findall(rule.expr)
    assert {series_of(metric) for metric in metrics} <= set(CATALOGUE)
    assert set(recorded) <= {other.name for other in all_rules() if not other.is_alert}
    known = {"job", "instance", "le"} | labels_of_series(rule.expr)
    known |= set(re.findall(r'"(\w+)",\s*"[^"]*",\s*"[^"]*",\s*"[^"]*"\s*\)', rule.expr))  # label_replace makes them
    assert labels_used(rule.expr) <= known


def test_a_code_that_rules_name_is_in_the_table() -> None:
    """A rule that selects a provider's code selects one that configured addresses have from the start."""
    named = re.findall(
        r'duckwatch_mail_provider_signals_total\{provider="(\w+)", code="([^"]+)"\}',
        " ".join(rule.expr for rule in all_rules()),
    )
    assert named
    assert set(named) <= {(signal.provider.value, signal.code) for signal in SIGNALS}


def test_the_runbook_has_a_section_for_each_alert() -> None:
    """Each alert has a section, and each section belongs to an alert."""
    assert set(re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)) == {rule.name for rule in alerts()}


@each_alert
def test_the_documentation_lists_the_alert(rule: Rule) -> None:
    """docs/alerting.md has one row with the alert and its severities."""
    severities = [other.severity for other in alerts() if other.name == rule.name]
    assert len(re.findall(rf"^\| `{rule.name}` \| {', '.join(severities)} \|", ALERTING, re.MULTILINE)) == 1


def test_the_dashboard_draws_the_alerts_limit() -> None:
    """The lines in the panel *Hard bounces* are at the limits of DuckwatchHardBounceRatioHigh."""
    assert (
        threshold("mail_hard_bounce_ratio_warning"),
        threshold("mail_hard_bounce_ratio_critical"),
    ) == HARD_BOUNCE_LIMITS
    assert threshold("mail_least_recipients_per_hour") == LEAST_PER_HOUR


def threshold(name: str) -> float:
    """Return the number of the line without labels of thresholds.yml."""
    lines = [rule for rule in all_rules() if rule.body.get("labels") == {"name": name}]
    assert len(lines) == 1
    return float(lines[0].expr)
