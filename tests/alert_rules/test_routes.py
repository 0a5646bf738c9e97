"""Each route of alert-rules/alertmanager.yml, before Debian's amtool."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.alert_rules.alertmanager import routes, written
from tests.alert_rules.rules import ROOT, RULES, TESTS, alerts, run

if TYPE_CHECKING:
    from pathlib import Path

CASES = [
    ("alertname=DuckwatchHardBounceRatioHigh severity=critical team=mail component=delivery", "mail-slack-and-email"),
    ("alertname=DuckwatchHardBounceRatioHigh severity=warning team=mail component=delivery", "mail-email"),
    ("alertname=DuckwatchDnsblListed severity=critical team=mail target=192.0.2.1", "mail-slack-and-email"),
    ("alertname=DuckwatchDnsblListedMinor severity=warning team=mail target=192.0.2.1", "mail-email"),
    ("alertname=DuckwatchAnything severity=info team=mail", "mail-email"),
    ("alertname=DuckwatchAnything severity=misspelt team=mail", "mail-email"),
    ("alertname=DuckwatchAnything team=mail", "mail-email"),
    ("alertname=DuckwatchAnything severity=none team=mail", "nowhere"),
    ("alertname=DuckwatchCollectorDown severity=critical team=platform", "platform-slack-and-email"),
    ("alertname=DuckwatchDnsblExporterDown severity=warning team=platform", "platform-email"),
    ("alertname=DuckwatchAnything severity=info team=platform", "platform-email"),
    ("alertname=DuckwatchAnything severity=misspelt team=platform", "platform-email"),
    ("alertname=DuckwatchAnything severity=none team=platform", "nowhere"),
    ("alertname=DuckwatchWatchdog severity=none team=platform component=pipeline", "deadman"),
    ("alertname=DuckwatchWatchdog severity=none", "deadman"),
    ("alertname=Another severity=critical", "platform-slack-and-email"),
    ("alertname=Another severity=critical team=misspelt", "platform-slack-and-email"),
    ("alertname=Another severity=warning", "platform-email"),
    ("alertname=Another severity=none", "nowhere"),
    ("alertname=Another", "platform-email"),
]

ALERTING = (ROOT / "docs" / "alerting.md").read_text(encoding="utf-8")

HOUSES = ["", "cluster=eu region=west replica=b", "job=mail/collectors prometheus=monitoring/main"]
"""External labels and job names that another house may have."""


def receiver_of(amtool: Path, configuration: Path | str, labels: str) -> str:
    """Return the receivers that amtool finds, separated by commas."""
    done = run(amtool, "config", "routes", "test", f"--config.file={configuration}", *labels.split())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.servers
def test_amtool_accepts_the_example_configuration(amtool: Path) -> None:
    """The example of Alertmanager's configuration is valid, its templates too."""
    done = run(amtool, "check-config", "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 templates" in done.stdout


@pytest.mark.servers
@pytest.mark.parametrize("house", HOUSES)
@pytest.mark.parametrize(("labels", "receiver"), CASES)
def test_alerts_reach_their_receiver(amtool: Path, labels: str, receiver: str, house: str) -> None:
    """Severity and team decide who is told; what no route knows still reaches somebody."""
    assert receiver_of(amtool, "alertmanager.yml", f"{labels} {house}") == receiver


@pytest.mark.servers
def test_every_route_has_a_case(amtool: Path, tmp_path: Path) -> None:
    """With a receiver of its own for each route, the cases reach each of them."""
    settings = written()
    for number, route in enumerate(routes(settings)):
        route["receiver"] = f"route-{number}"
        settings["receivers"].append({"name": f"route-{number}"})
    settings["templates"] = []
    numbered = tmp_path / "alertmanager.yml"
    numbered.write_text(yaml.safe_dump(settings), encoding="utf-8")
    reached = {receiver_of(amtool, numbered, labels) for labels, _ in CASES}
    assert reached == {f"route-{number}" for number in range(len(routes(settings)))}


@pytest.mark.servers
def test_every_alert_reaches_its_team(amtool: Path) -> None:
    """Each alert of the pack reaches the receivers of its severity and team; without a team the platform's."""
    expected = {"critical": "slack-and-email", "warning": "email", "info": "email"}
    for rule in alerts():
        labels = rule.body["labels"]
        team, kind = labels.get("team", "platform"), expected.get(labels["severity"])
        wanted = f"{team}-{kind}" if kind else "deadman"
        pairs = " ".join(f"{name}={value}" for name, value in {"alertname": rule.name, **labels}.items())
        assert receiver_of(amtool, "alertmanager.yml", pairs) == wanted, rule.name


def test_a_message_is_about_one_severity() -> None:
    """Groups are made by severity too, because the silence link of a message silences the whole group."""
    first, *others = routes(written())
    assert {"alertname", "severity"} <= set(first["group_by"])
    assert not any("group_by" in route for route in others)


def test_repetitions_are_remembered() -> None:
    """Alertmanager forgets after 120 hours what it sent, unless told otherwise; each route repeats before that.

    The dead man's switch repeats in each interval of its group.
    """
    for route in routes(written()):
        assert seconds(route.get("repeat_interval", "24h")) < 120 * 3600
        if route["receiver"] == "deadman":
            assert seconds(route["repeat_interval"]) < seconds(route["group_interval"])


def seconds(interval: str) -> float:
    """Return the length of an interval with one unit."""
    return float(interval[:-1]) * {"s": 1, "m": 60, "h": 3600}[interval[-1]]


def test_secrets_stay_in_files() -> None:
    """The example of Alertmanager's configuration holds no secret, only the files that do."""
    text = (RULES / "alertmanager.yml").read_text(encoding="utf-8")
    keys = ("slack_api_url", "api_url", "smtp_auth_password", "smtp_auth_secret", "password", "bearer_token", "url")
    assert [line for line in text.splitlines() if line.strip(" -").startswith(tuple(f"{key}:" for key in keys))] == []


def test_inhibitions_and_routes_name_alerts_that_exist() -> None:
    """Each name of an alert in alertmanager.yml, and in the cases of its inhibitions, is one of the pack."""
    known = {rule.name for rule in alerts()}
    for path in (RULES / "alertmanager.yml", TESTS / "test_inhibitions.py"):
        named = set(re.findall(r"\bDuckwatch[A-Z]\w+(?![\w.])", path.read_text(encoding="utf-8")))
        assert named - known <= {"DuckwatchOther"}, path.name


@pytest.mark.servers
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=DuckwatchWatchdog severity=none", "deadman"),
        ("alertname=DuckwatchCollectorDown severity=critical team=platform", "duckwatch"),
        ("alertname=DuckwatchAddressRefused severity=warning team=mail", "duckwatch"),
        ("alertname=Another severity=critical team=mail", "yours"),
    ],
)
def test_the_lines_for_another_alertmanager_take_no_alerts_but_ours(
    amtool: Path, tmp_path: Path, labels: str, receiver: str
) -> None:
    """The lines of docs/alerting.md to paste into an Alertmanager that has other alerts leave these to it."""
    section = ALERTING.partition("### An Alertmanager that you run already")[2]
    configuration = tmp_path / "alertmanager.yml"
    mail = "global: {smtp_smarthost: 'smtp.example:25', smtp_from: alerts@mail.example}\n"
    configuration.write_text(mail + section.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    assert receiver_of(amtool, configuration, labels) == receiver
