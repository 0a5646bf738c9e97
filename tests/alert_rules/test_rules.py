"""The rules before the real promtool and amtool, and the rules' own rules."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.alert_rules.rules import RULE_FILES, RULES, TESTS, Rule, alerts, all_rules, run

if TYPE_CHECKING:
    from pathlib import Path

CASES = sorted(TESTS.glob("*.test.yml"))
RUNBOOK = "https://runbooks.duckwatch.example/runbook.md#"
THRESHOLDS = yaml.safe_load((RULES / "thresholds.yml").read_text())
COMPARED = re.compile(r"(?:==|!=|>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)")

named = pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
each_alert = pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.name)


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
def test_alerts_fire_when_they_should(promtool: Path, case: Path) -> None:
    """Each alert is silent just before its condition and fires just after."""
    done = run(promtool, "test", "rules", case)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_cases_say_what_is_recorded_before_it_is_read(case: Path) -> None:
    """Groups are evaluated by promtool in an order of chance unless it is told one:
    what is recorded has to come before the alerts.
    """
    written = yaml.safe_load(case.read_text())
    groups = [group for path in written["rule_files"] for group in yaml.safe_load((TESTS / path).read_text())["groups"]]
    if len(groups) > 1 and any("record" in rule for group in groups for rule in group["rules"]):
        assert written.get("group_eval_order") == [group["name"] for group in groups]


@pytest.mark.servers
def test_amtool_accepts_the_example_configuration(amtool: Path) -> None:
    """The example of Alertmanager's configuration is valid, its templates too."""
    done = run(amtool, "check-config", "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 templates" in done.stdout


@pytest.mark.servers
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=DuckwatchMailBounceRatioHigh severity=critical", "slack-and-email"),
        ("alertname=Anything severity=warning", "email"),
        ("alertname=Anything severity=none", "nowhere"),
        ("alertname=DuckwatchWatchdog severity=none", "deadman"),
        ("alertname=DuckwatchDnsblListed severity=critical target=192.0.2.1 list=bl.example", "slack-and-email"),
        ("alertname=DuckwatchDnsblListedMinor severity=warning target=192.0.2.1 list=bl.example", "email"),
        ("alertname=DuckwatchDnsblExporterDown severity=warning job=duckwatch-dnsbl", "email"),
        ("alertname=Anything severity=misspelt", "email"),
    ],
)
def test_alerts_reach_their_receiver(amtool: Path, labels: str, receiver: str) -> None:
    """The severity decides who is told; what no route knows still reaches somebody."""
    done = run(amtool, "config", "routes", "test", "--config.file=alertmanager.yml", *labels.split())
    assert done.stdout.strip() == receiver, done.stderr


@pytest.mark.servers
@pytest.mark.parametrize(
    ("template", "kind", "forbidden"),
    [
        ("duckwatch.slack.title", "text", "<!channel>"),
        ("duckwatch.slack.text", "text", "<!channel>"),
        ("duckwatch.email.html", "html", "<script>"),
    ],
)
def test_notifications_escape_what_labels_hold(
    amtool: Path, tmp_path: Path, template: str, kind: str, forbidden: str
) -> None:
    """A label that a mail host named cannot wake a whole Slack channel nor put markup into an e-mail."""
    hostile = "<!channel> <script>&"
    alert = {
        "status": "firing",
        "labels": {"alertname": "Any", "mail_cluster": hostile},
        "annotations": {"summary": hostile, "description": hostile, "runbook_url": f"{RUNBOOK}any"},
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2026-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph",
    }
    data = tmp_path / "data.json"
    data.write_text(json.dumps({"status": "firing", "alerts": [alert], "commonLabels": alert["labels"]}))
    done = run(
        amtool,
        *("template", "render", "--template.glob=templates/*.tmpl", f"--template.type={kind}"),
        *(f"--template.data={data}", f'--template.text={{{{ template "{template}" . }}}}'),
    )
    assert done.returncode == 0, done.stderr
    assert "&lt;!channel&gt;" in done.stdout
    assert forbidden not in done.stdout


def test_secrets_stay_in_files() -> None:
    """The example of Alertmanager's configuration holds no secret, only the files that do."""
    text = (RULES / "alertmanager.yml").read_text()
    for key in ("slack_api_url", "api_url", "smtp_auth_password", "smtp_auth_secret", "password", "bearer_token"):
        assert not re.search(rf"^\s*{key}:", text, re.MULTILINE)


@each_alert
def test_an_alert_says_whom_and_what(rule: Rule) -> None:
    """Every alert has a known severity and the three annotations; its runbook link is made from its name."""
    assert rule.body["labels"] == {"severity": rule.body["labels"]["severity"]}
    known = {"none"} if rule.name == "DuckwatchWatchdog" else {"critical", "warning", "info"}
    assert rule.body["labels"]["severity"] in known
    annotations = rule.body["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == RUNBOOK + rule.name.lower()


@each_alert
def test_an_alert_has_cases(rule: Rule) -> None:
    """Every alert is tested firing; and silent, but for the watchdog, which never is."""
    cases = [
        case
        for path in CASES
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == rule.name
    ]
    assert any(case["exp_alerts"] for case in cases)
    assert rule.name == "DuckwatchWatchdog" or any(not case["exp_alerts"] for case in cases)


def test_thresholds_name_every_alert() -> None:
    """thresholds.yml has an entry for each alert and for nothing else."""
    assert list(THRESHOLDS)
    assert set(THRESHOLDS) == {rule.name for rule in alerts()}


@each_alert
def test_an_alert_keeps_to_its_thresholds(rule: Rule) -> None:
    """Every number that an alert compares with, and how long it waits, is documented with a reason."""
    entry = THRESHOLDS[rule.name]
    assert sorted(float(number) for number in COMPARED.findall(rule.expr)) == sorted(
        float(limit["value"]) for limit in entry["limits"]
    )
    for key in ("for", "keep_firing_for"):
        assert rule.body.get(key, "0s") == entry.get(key, "0s")
    assert all(limit["unit"] and limit["why"] for limit in entry["limits"])


@named
def test_a_name_is_in_prometheus_convention(rule: Rule) -> None:
    """A recorded series is `level:metric:operation`, its level the labels it keeps;
    an alert is `Duckwatch…` in CamelCase.
    """
    if rule.is_alert:
        assert re.fullmatch(r"Duckwatch([A-Z][a-z0-9]+)+", rule.name)
        return
    level, metric, operation = rule.name.split(":")
    assert metric.startswith("duckwatch_")
    assert operation
    grouped = re.findall(r"by \(([^)]*)\)", rule.expr)
    assert all("_".join(label.strip() for label in labels.split(",")) == level for labels in grouped)
