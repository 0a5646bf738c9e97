"""The runbook: each section is whole, what it names exists, and its commands do what it says."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.alert_rules.rules import RULES, Rule, alerts, run
from tests.alert_rules.test_pack import cases, pages
from tests.servers.alertmanager import Alertmanager
from tests.servers.fixtures import need

if TYPE_CHECKING:
    from pathlib import Path

SECTIONS = dict(
    re.findall(
        r"^## (\w+)\n(.*?)(?=^## |\Z)", (RULES / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
)
PARTS = ["What it means", "Is it real", "Look first", "Fix", "Who can help", "Silence"]
PAGES = {"Explore", "Alerts", "Status > Targets", "Status > Rules", "Status > Runtime"}
"""Pages of Grafana and Prometheus."""

SILENCE = re.compile(r"`(amtool silence add [^`]+)`")
NEVER = {"DuckwatchThresholdsMissing", "DuckwatchWatchdog"}
"""Alerts that nobody silences."""

each_section = pytest.mark.parametrize("name", SECTIONS)


@cache
def panels() -> dict[str, set[str]]:
    """Return the titles of each dashboard's panels, by the dashboard's title. Read once for all sections."""
    return {page["title"]: {panel["title"] for panel in _all_panels(page)} for page in pages().values()}


def _all_panels(page: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard, its rows and those of collapsed rows included."""
    return [one for panel in page["panels"] for one in (panel, *panel.get("panels", [])) if "title" in one]


def linked(name: str) -> set[str]:
    """Return the titles of the dashboards that the alert links to."""
    links = [rule.body["annotations"]["dashboard_url"] for rule in alerts() if rule.name == name]
    return {pages()[urlsplit(link).path.removeprefix("/d/")]["title"] for link in links}


def unknown_names(name: str, section: str) -> list[str]:
    """Return the names in italics that are no dashboard, no page, and no panel of the dashboard named before.

    A panel without a dashboard before it is on the one that the alert links to.
    """
    found, known = [], set().union(*(panels()[title] for title in linked(name)))
    prose = re.sub(r"```.*?```|`[^`]*`", "", section, flags=re.DOTALL)
    for named in re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", prose):
        if named in panels():
            known = panels()[named]
        elif named not in known | PAGES:
            found.append(named)
    return found


@each_section
def test_a_section_has_its_six_parts(name: str) -> None:
    """Each part begins a line, is there once and in this order, and has a text."""
    section = SECTIONS[name]
    found = re.findall(rf"^\*\*({'|'.join(PARTS)})", section, re.MULTILINE)
    assert found == PARTS
    assert all(re.search(r"\w", text) for text in re.split(r"^\*\*[\w ]+.*?\*\*", section, flags=re.MULTILINE)[1:])


@each_section
def test_a_panel_that_a_section_names_exists(name: str) -> None:
    """A name in italics is a dashboard, or a panel of the dashboard that was named before it."""
    assert unknown_names(name, SECTIONS[name]) == []


def test_a_name_that_is_wrong_is_found() -> None:
    """A dashboard that is gone, and a panel of another dashboard."""
    section = "*Queue and retries*, *Queue*, panels *Oldest by zone* and *Replies*; *Mail delivery*, `*x*`."
    assert unknown_names("DuckwatchQueueOld", section) == ["Queue and retries", "Replies"]


@pytest.mark.parametrize("rule", alerts(), ids=str)
def test_a_silence_is_about_its_alert(rule: Rule) -> None:
    """The command names the alert and labels that it has, an end, and a comment."""
    if rule.name in NEVER:
        assert "amtool" not in SECTIONS[rule.name]
        return
    asked = [case for test in cases() for case in test.get("alert_rule_test", []) if case["alertname"] == rule.name]
    has = set().union(*(alert["exp_labels"] for case in asked for alert in case["exp_alerts"]))
    (command,) = SILENCE.findall(SECTIONS[rule.name])
    words = shlex.split(command.removeprefix("amtool silence add "))
    matchers = dict(word.split("=", 1) for word in words if "=" in word)
    assert matchers.pop("alertname") == rule.name
    assert matchers.keys() <= has
    assert {"--duration", "--comment"} <= set(words)


@pytest.mark.servers
def test_amtool_takes_each_silence(server_logs: Path, amtool: Path) -> None:
    """The runbook's commands, one for each set of labels, make silences in a real Alertmanager."""
    found = [found for section in SECTIONS.values() for found in SILENCE.findall(section)]
    commands = {tuple(re.findall(r"(\w+)=", command)): command for command in found}
    server = need(lambda: Alertmanager(server_logs))
    server.start()
    try:
        for command in commands.values():
            words = shlex.split(command)[1:]
            done = run(amtool, f"--alertmanager.url={server.url}", *words, "--author=test")
            assert done.returncode == 0, done.stderr
    finally:
        server.stop()
