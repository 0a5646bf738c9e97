"""What holds for every alert and every recording rule, whatever it is about. Most checks are those of the tool pint."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from duckwatch.base.config.units import parse_duration
from duckwatch.rules.limits import THRESHOLD
from grafana.generate import build_all
from tests.alert_rules.rules import RULE_FILES, TESTS, Rule, alerts, all_rules
from tests.contract.promql import COUNTERS, labels_of_series

RUNBOOK = "https://runbooks.duckwatch.example/runbook.md#"
GRAFANA = "https://grafana.duckwatch.example/d/"
COMPONENTS = {"delivery", "queue", "reputation", "complaints", "logins", "pipeline", "database", "mta"}
EXTERNAL = {"cluster", "region", "replica"}
RETENTION = timedelta(days=15)
"""What Prometheus keeps by default."""

NUMBER = re.compile(r"(?:==|!=|>=|<=|>|<)\s*(?:bool\s+)?(-?\d+(?:\.\d+)?)")
TEMPLATE_LABEL = re.compile(r"\$labels\.(\w+)")
GROUPING = re.compile(r"\b(?:sum|max|min|group)\s+by\s*\(([^)]*)\)")
REPLACED = re.compile(r'"(\w+)",\s*"[^"]*",\s*"[^"]*",\s*"[^"]*"\s*\)')
"""The label that `label_replace` makes."""

MEAN = re.compile(r"sum_over_time\((\S+)\[(\w+)\]\)\s+/ scalar\(count_over_time\((\S+)\[(\w+)\]\)\)")
"""A sum over a range, divided by how often something was seen in one."""

each_rule = pytest.mark.parametrize("rule", all_rules(), ids=str)
each_alert = pytest.mark.parametrize("rule", alerts(), ids=str)


@cache
def pages() -> dict[str, Any]:
    """Return the dashboards by uid, built once for all alerts."""
    return {page["uid"]: page for page in build_all().values()}


@cache
def cases() -> list[dict[str, Any]]:
    """Return the tests of all case files, read once for all alerts."""
    loaded = [yaml.load(path.read_text(), yaml.CSafeLoader) for path in sorted(TESTS.glob("*.test.yml"))]
    return [test for whole in loaded for test in whole["tests"]]


@cache
def intervals() -> dict[str, str]:
    """Return the interval of the group of each recorded series."""
    groups = [group for path in RULE_FILES for group in yaml.load(path.read_text(), yaml.CSafeLoader)["groups"]]
    return {
        rule["record"]: group.get("interval", "") for group in groups for rule in group["rules"] if "record" in rule
    }


@each_alert
def test_an_alert_says_whom_it_is_for(rule: Rule) -> None:
    """Every alert has a severity, a team and a component; the component is its file."""
    labels = rule.body["labels"]
    assert set(labels) == {"severity", "team", "component"}
    assert labels["severity"] in ({"none"} if rule.name == "DuckwatchWatchdog" else {"critical", "warning", "info"})
    assert labels["team"] in {"mail", "platform"}
    assert labels["component"] in COMPONENTS
    assert rule.file.stem in {labels["component"], "thresholds"}


@each_alert
def test_an_alert_says_what_is_wrong(rule: Rule) -> None:
    """Every alert has a summary, a description, a link to its section of the runbook, and a link to a dashboard."""
    annotations = rule.body["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert annotations["runbook_url"] == RUNBOOK + rule.name.lower()
    assert annotations["dashboard_url"].startswith(GRAFANA)


@each_alert
def test_a_dashboard_link_opens_what_the_alert_is_about(rule: Rule) -> None:
    """The link leads to a dashboard of ours, and sets only variables that the dashboard has."""
    link = re.sub(r"\{\{ (\$labels\.\w+) \| urlquery \}\}", r"\1", rule.body["annotations"]["dashboard_url"])
    parts = urlsplit(link)
    page = pages()[parts.path.removeprefix("/d/")]
    names = {f"var-{variable['name']}" for variable in page["templating"]["list"]}
    assert set(parse_qs(parts.query, strict_parsing=bool(parts.query))) <= names


def test_there_are_enough_alerts() -> None:
    """The pack has at least 40 alerts, and no name with a severity twice."""
    assert len({rule.name for rule in alerts()}) >= 40
    assert Counter(str(rule) for rule in alerts()).most_common(1)[0][1] == 1


def test_a_series_is_recorded_once() -> None:
    """No two rules record the same series; a threshold is one by its labels."""
    recorded = Counter(
        (rule.name, *sorted(rule.body.get("labels", {}).items())) for rule in all_rules() if not rule.is_alert
    )
    assert recorded.most_common(1)[0][1] == 1


@each_alert
def test_an_alert_has_cases(rule: Rule) -> None:
    """Each step of an alert has a case that is silent before it fires, but for the watchdog, which always does.

    One with `keep_firing_for` has a case in which it ends.
    """
    seen = [firing(rule, test) for test in cases()]
    assert any(True in steps for steps in seen)
    assert rule.name == "DuckwatchWatchdog" or any(
        True in steps[steps.index(False) :] for steps in seen if False in steps
    )
    ends = any(False in steps[steps.index(True) :] for steps in seen if True in steps)
    assert ends or "keep_firing_for" not in rule.body


def firing(rule: Rule, test: dict[str, Any]) -> list[bool]:
    """Return for each time at which a test asks about the alert, in order, whether this step of it fires."""
    asked = [case for case in test.get("alert_rule_test", []) if case["alertname"] == rule.name]
    return [
        any(alert["exp_labels"]["severity"] == rule.severity for alert in case["exp_alerts"])
        for case in sorted(asked, key=lambda case: seconds(case["eval_time"]))
    ]


def seconds(time: str) -> int:
    """Return the length of a time such as 10d4h30m."""
    units = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([smhdw])", time))


@each_alert
def test_an_alert_compares(rule: Rule) -> None:
    """Every expression compares, or asks for what is absent; the watchdog is its own condition."""
    by_itself = {"DuckwatchWatchdog"}
    assert rule.name in by_itself or re.search(r"==|!=|>=|<=|>|<|absent\(", rule.expr)


@each_alert
def test_a_number_is_a_threshold(rule: Rule) -> None:
    """An expression compares with the numbers of thresholds.yml only; 0 and 1 are states."""
    assert {float(number) for number in NUMBER.findall(rule.expr)} <= {0, 1}
    assert rule.name == "DuckwatchThresholdsMissing" or THRESHOLD not in rule.expr


@each_alert
def test_what_is_absent_is_waited_for(rule: Rule) -> None:
    """An alert about an absent series waits at least two scrapes: after a restart nothing is there yet."""
    if "absent(" in rule.expr:
        assert parse_duration(rule.body["for"]) >= timedelta(minutes=1)


@each_rule
def test_a_range_is_within_what_prometheus_keeps(rule: Rule) -> None:
    """A range and an offset together are within the retention that Prometheus has by default."""
    for inside, offset in re.findall(r"(?:\[([0-9]\w*)[^\]]*\])?(?:\s+offset\s+(\w+))?", rule.expr):
        assert sum((parse_duration(part) for part in (inside, offset) if part), timedelta()) <= RETENTION


@each_rule
def test_a_counter_is_never_compared_bare(rule: Rule) -> None:
    """A counter is read by its increase or its rate; bare it may only name label values, in a `group by`, or be copied
    to a series that is a counter, too.
    """
    bare = re.sub(r"group by \([^)]*\) \([^()]*\)", "", rule.expr)
    if rule.name.endswith(":total"):
        bare = re.sub(r"\w+_total(\{[^}]*\})? > 0", "", bare)
    for match in re.finditer(r"(?<![:\w])(\w+)(?:\{[^}]*\})?(\[?)", bare):
        if match[1] in COUNTERS:
            assert match[2] == "[", match[0]


@each_rule
def test_a_mean_is_over_the_times_of_its_rates(rule: Rule) -> None:
    """Where a sum of rates is divided by the times at which there could be rates, both have one interval and range."""
    means = MEAN.findall(rule.expr)
    assert len(means) == rule.expr.count("scalar(count_over_time(")
    for summed, its_range, seen, its_time in means:
        assert (intervals()[summed], its_range) == (intervals()[seen], its_time)


@each_rule
def test_a_label_of_the_house_is_not_used(rule: Rule) -> None:
    """No rule reads or sets `cluster`, `region` or `replica`: they belong to a Prometheus as its external labels."""
    assert not EXTERNAL & set(rule.body.get("labels", {}))
    assert not re.search(r"(?<![\w\"])(?:cluster|region|replica)(?![\w\"])", rule.expr)


@each_alert
def test_a_template_uses_labels_that_are_there(rule: Rule) -> None:
    """A label in an annotation is one that the expression keeps."""
    used = {label for text in rule.body["annotations"].values() for label in TEMPLATE_LABEL.findall(text)}
    outermost = GROUPING.match(rule.expr)
    if outermost is not None:
        kept = set(re.findall(r"\w+", outermost[1]))
    else:
        kept = labels_of_series(rule.expr) | set(REPLACED.findall(rule.expr)) | {"job", "instance", "name"}
    assert used <= kept


@each_rule
def test_a_name_is_in_prometheus_convention(rule: Rule) -> None:
    """A recorded series is `level:metric:operation`, its level the labels it keeps and those that the rule sets;
    an alert is `Duckwatch…` in CamelCase.
    """
    if rule.is_alert:
        assert re.fullmatch(r"Duckwatch([A-Z][a-z0-9]+)+", rule.name)
        return
    level, metric, operation = rule.name.split(":")
    assert metric.startswith("duckwatch_")
    assert operation
    outermost = GROUPING.match(rule.expr)
    if outermost is not None:
        assert "_".join([*re.findall(r"\w+", outermost[1]), *rule.body.get("labels", ())]) == level
