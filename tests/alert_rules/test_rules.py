"""The rules before the real promtool, and the rules' own rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from duckwatch.rules.limits import THRESHOLD
from tests.alert_rules.cases import COLLECTOR, cut_down
from tests.alert_rules.rules import RULE_FILES, RULES, TESTS, run

if TYPE_CHECKING:
    from pathlib import Path

CASES = sorted(TESTS.glob("*.test.yml"))
RUNBOOK = "https://runbooks.duckwatch.example/runbook.md#"


@pytest.mark.servers
def test_promtool_accepts_the_rules(promtool: Path) -> None:
    """Every rule file is one that Prometheus loads."""
    done = run(promtool, "check", "rules", *RULE_FILES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.servers
def test_promtool_accepts_the_example_configuration(promtool: Path) -> None:
    """The example of Prometheus' configuration is valid and finds every rule file."""
    done = run(promtool, "check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    for path in RULE_FILES:
        assert str(path.relative_to(RULES)) in done.stdout


@pytest.mark.servers
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_alerts_fire_when_they_should(promtool: Path, tmp_path: Path, case: Path) -> None:
    """Each alert is silent just before its condition and fires just after."""
    done = run(promtool, "test", "rules", *cut_down(case, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_a_case_that_is_cut_down_keeps_what_it_reads(tmp_path: Path, case: Path) -> None:
    """No test is lost; the rules of its alerts, the series that they read, and each threshold are still there.

    What is added is at 0 only, and the collector itself.
    """
    whole = yaml.load(case.read_text(), yaml.CSafeLoader)
    rules = [rule for path in whole["rule_files"] for rule in rules_of(TESTS / path)]
    tests = []
    for path in cut_down(case, tmp_path):
        cut = yaml.load(path.read_text(), yaml.CSafeLoader)
        kept = rules_of(tmp_path / cut["rule_files"][0])
        asked = {one["alertname"] for test in cut["tests"] for one in test.get("alert_rule_test", [])}
        exprs = [one["expr"] for test in cut["tests"] for one in test.get("promql_expr_test", [])]
        words = set(re.findall(r"[\w:]+", " ".join([*exprs, *(str(rule["expr"]) for rule in kept)])))
        for rule in rules:
            is_read = (
                rule["labels"]["name"] in words if rule.get("record") == THRESHOLD else rule.get("record") in words
            )
            assert rule in kept or not (is_read or rule.get("alert") in asked)
        tests += cut["tests"]
    named = {series["series"] for test in whole["tests"] for series in test["input_series"]}
    for test in tests:
        added = [series for series in test["input_series"] if series["series"] not in named]
        test["input_series"] = [series for series in test["input_series"] if series not in added]
        counters = [series for series in added if series != COLLECTOR]
        assert not [series for series in counters if re.search(r"(?<![x\d])[1-9]", series["values"])]
    assert sorted(map(str, tests)) == sorted(map(str, whole["tests"]))


def rules_of(path: Path) -> list[dict[str, Any]]:
    """Return the rules of a file."""
    return [rule for group in yaml.load(path.read_text(), yaml.CSafeLoader)["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_cases_say_what_is_recorded_before_it_is_read(case: Path) -> None:
    """Groups are evaluated by promtool in an order of chance unless it is told one:
    what is recorded has to come before the alerts.
    """
    written = yaml.load(case.read_text(), yaml.CSafeLoader)
    groups = [
        group
        for path in written["rule_files"]
        for group in yaml.load((TESTS / path).read_text(), yaml.CSafeLoader)["groups"]
    ]
    if len(groups) > 1 and any("record" in rule for group in groups for rule in group["rules"]):
        assert written.get("group_eval_order") == [group["name"] for group in groups]
