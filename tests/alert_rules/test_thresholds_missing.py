"""DuckwatchThresholdsMissing before the real promtool, with a thresholds.yml whose lines are missing or misspelt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from duckwatch.rules.limits import PLAIN_LINE, labels_of, limits_used
from tests.alert_rules.rules import RULES, alerts, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = RULES / "thresholds.yml"
LIMITS = "recording/limits.yml"
LINES = [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]]
NAMES = [rule["labels"]["name"] for rule in LINES]
SHIPPED = {rule["labels"]["name"]: float(rule["expr"]) for rule in LINES}
SMALL = "mail_hard_bounce_ratio_warning"
"""A threshold whose number is less than those of the lines that a test adds."""


def alert(name: str) -> dict[str, Any]:
    """Return the alert that names the threshold at fault."""
    return {
        "exp_labels": {"severity": "critical", "team": "platform", "component": "pipeline", "name": name},
        "exp_annotations": {
            "summary": f"The threshold {name} is missing or unknown",
            "description": f"Prometheus has no line for {name} in thresholds.yml, or a line that no alert knows. "
            "An alert without its number cannot fire. Load thresholds.yml and recording/limits.yml, keep the line "
            "without labels of each name, and look for a misspelt name.",
            "runbook_url": "https://runbooks.duckwatch.example/runbook.md#duckwatchthresholdsmissing",
            "dashboard_url": "https://grafana.duckwatch.example/d/duckwatch-duckwatch",
        },
    }


def unused(name: str, **labels: str) -> dict[str, Any]:
    """Return the alert about a line with labels that no alert uses."""
    return {
        "exp_labels": alert(name)["exp_labels"] | labels,
        "exp_annotations": alert(name)["exp_annotations"]
        | {
            "summary": f"A line of the threshold {name} is not used",
            "description": f"No alert that compares with {name} uses the line of thresholds.yml with these labels, so "
            "the line without labels holds. Remove the line, or the label that does not belong there: "
            "recording/limits.yml has the labels by which the number may differ.",
        },
    }


def twice(name: str, **labels: str) -> dict[str, Any]:
    """Return the alert about lines with the same labels."""
    return {
        "exp_labels": alert(name)["exp_labels"] | labels | {"line": "twice"},
        "exp_annotations": alert(name)["exp_annotations"]
        | {
            "summary": f"The threshold {name} has two lines for the same place",
            "description": f"Several lines of thresholds.yml give {name} a number for one mail_cluster, zone and "
            "provider, and one of them counts. Remove the others, or correct a label that is none of these three.",
        },
    }


def with_lines(*lines: dict[str, str]) -> str:
    """Return the shipped thresholds.yml with a further group of lines."""
    document = yaml.safe_load(FILE.read_text())
    rules = [{"record": "name:duckwatch_threshold:value", "labels": labels, "expr": "7"} for labels in lines]
    document["groups"].append({"name": "house", "rules": rules})
    return yaml.safe_dump(document)


def not_loaded() -> dict[str, Any]:
    """Return the alert about the file of the limits."""
    return {
        "exp_labels": {"severity": "critical", "team": "platform", "component": "pipeline", "file": LIMITS},
        "exp_annotations": alert("")["exp_annotations"]
        | {
            "summary": f"{LIMITS} is not loaded",
            "description": f"Prometheus has not loaded {LIMITS}. An alert without its number cannot fire. Load "
            "thresholds.yml and recording/limits.yml, keep the line without labels of each name, and look for a "
            "misspelt name.",
        },
    }


def sample(name: str, number: float) -> dict[str, Any]:
    """Return the plain line of a threshold as promtool expects it."""
    return {"labels": f'{PLAIN_LINE}{{name="{name}"}}', "value": number}


def judged(
    promtool: Path,
    folder: Path,
    thresholds: str,
    expected: list[dict[str, Any]],
    *,
    limits: tuple[str, ...] = (LIMITS,),
    counts: Mapping[str, float] | None = None,
) -> None:
    """Fail unless exactly these alerts fire after five minutes, and none before, and the plain lines are `counts`."""
    (folder / "thresholds.yml").write_text(thresholds)
    groups = [group["name"] for group in yaml.safe_load(thresholds)["groups"]]
    groups += [group["name"] for path in limits for group in yaml.safe_load((RULES / path).read_text())["groups"]]
    at: list[tuple[int, list[dict[str, Any]]]] = [(4, []), (5, expected)]
    case = {
        "rule_files": ["thresholds.yml", *(str(RULES / path) for path in (*limits, "alerts/thresholds.yml"))],
        "group_eval_order": [*groups, "duckwatch-thresholds-alerts"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "alert_rule_test": [
                    {"eval_time": f"{minute}m", "alertname": "DuckwatchThresholdsMissing", "exp_alerts": alerts}
                    for minute, alerts in at
                ],
                "promql_expr_test": [
                    {"expr": f'{PLAIN_LINE}{{name="{name}"}}', "eval_time": "5m", "exp_samples": [sample(name, number)]}
                    for name, number in (counts or {}).items()
                ],
            }
        ],
    }
    (folder / "case.yml").write_text(yaml.safe_dump(case))
    done = run(promtool, "test", "rules", folder / "case.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.servers
def test_a_whole_file_is_silent(promtool: Path, tmp_path: Path) -> None:
    """With every line in place no name is missing or unknown."""
    judged(promtool, tmp_path, FILE.read_text(), [])


@pytest.mark.servers
@pytest.mark.parametrize("name", [NAMES[0], NAMES[len(NAMES) // 2], NAMES[-1]])
def test_a_missing_line_is_named(promtool: Path, tmp_path: Path, name: str) -> None:
    """A threshold without a line fires, and the alert names it."""
    lines = [line for line in FILE.read_text().splitlines() if f"name: {name}}}" not in line]
    judged(promtool, tmp_path, "\n".join(lines), [alert(name)])


@pytest.mark.servers
def test_limits_that_are_not_loaded_are_named(promtool: Path, tmp_path: Path) -> None:
    """Without the limits no alert has its number, although each line of thresholds.yml is there."""
    judged(promtool, tmp_path, FILE.read_text(), [not_loaded()], limits=())


@pytest.mark.servers
def test_a_line_for_one_cluster_covers_no_other(promtool: Path, tmp_path: Path) -> None:
    """A threshold whose only line carries a label is missing for every other cluster."""
    text = FILE.read_text().replace(f"{{name: {NAMES[0]}}}", f"{{name: {NAMES[0]}, mail_cluster: eu1}}")
    judged(promtool, tmp_path, text, [alert(NAMES[0])])


@pytest.mark.servers
def test_a_misspelt_line_is_unknown_and_the_right_one_is_missing(promtool: Path, tmp_path: Path) -> None:
    """A typing error fires for both names."""
    text = FILE.read_text().replace(f"name: {NAMES[-1]}}}", f"name: {NAMES[-1]}s}}")
    judged(promtool, tmp_path, text, [alert(f"{NAMES[-1]}s"), alert(NAMES[-1])])


@pytest.mark.servers
def test_a_line_that_no_alert_uses_is_named_with_its_labels(promtool: Path, tmp_path: Path) -> None:
    """A line fires once if one of its labels is none by which the number may differ; a misspelt one is only unknown."""
    text = with_lines(
        {"name": "dead_letters_warning", "mail_cluster": "eu1"},
        {"name": "queue_least_messages", "provider": "gmx"},
        {"name": "queue_least_messages", "zone": "bulk", "provider": "gmx"},
        {"name": "mail_provider_codes_warning", "mail_cluster": "eu1", "zone": "bulk"},
        {"name": "mail_provider_codes_warnings", "mail_cluster": "eu1"},
    )
    expected = [
        unused("dead_letters_warning", mail_cluster="eu1"),
        unused("queue_least_messages", provider="gmx"),
        unused("queue_least_messages", zone="bulk", provider="gmx"),
        unused("mail_provider_codes_warning", mail_cluster="eu1", zone="bulk"),
        alert("mail_provider_codes_warnings"),
    ]
    judged(promtool, tmp_path, text, expected)


@pytest.mark.servers
def test_two_lines_for_one_place_are_named_and_the_right_one_counts(promtool: Path, tmp_path: Path) -> None:
    """`cluster` is what settings call a mail cluster: it makes no line for one cluster, but a second plain one."""
    text = with_lines(
        {"name": SMALL, "cluster": "eu1"},
        {"name": SMALL, "cluster": "us1"},
        {"name": "queue_growth_warning", "zone": "bulk", "cluster": "eu1"},
        {"name": "queue_growth_warning", "zone": "bulk"},
    )
    expected = [twice(SMALL), twice("queue_growth_warning", zone="bulk")]
    judged(promtool, tmp_path, text, expected, counts=SHIPPED)


@pytest.mark.servers
def test_lines_that_all_have_a_further_label_count(promtool: Path, tmp_path: Path) -> None:
    """Thanos' ruler reads each series with the external labels of its Prometheus."""
    text = FILE.read_text().replace("labels: {name: ", "labels: {replica: a, name: ")
    judged(promtool, tmp_path, text, [], counts=SHIPPED)


@pytest.mark.servers
def test_a_line_that_an_alert_uses_is_silent(promtool: Path, tmp_path: Path) -> None:
    """For each name and level, a line with all labels of the level is used, and one with a single label."""
    levels = {(name, tuple(labels_of(level))) for level, name in limits_used(str(rule.expr) for rule in alerts())}
    chosen = {(name, part) for name, labels in levels for part in (labels, *((label,) for label in labels)) if part}
    assert len(chosen) > 60
    lines = [{"name": name, **dict.fromkeys(labels, "x")} for name, labels in sorted(chosen)]
    judged(promtool, tmp_path, with_lines(*lines), [])
