"""The rules and their tools as the tests see them: the files under alert-rules/, and promtool and amtool."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.servers.installed import command
from tests.servers.missing import MissingServerError

ROOT = Path(__file__).parents[2]
RULES = ROOT / "alert-rules"
TESTS = Path(__file__).parent

RULE_FILES = sorted([*(RULES / "recording").glob("*.yml"), *(RULES / "alerts").glob("*.yml")])

METRIC = re.compile(r"(?<![:\w])(?:duckwatch|zonemta|wildduck)_\w+")
RECORDED = re.compile(r"(?<![:\w])\w+:duckwatch_\w+:\w+")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a file: `name` is the alert's or the recorded series'; `body` is the rule as written."""

    name: str
    file: Path
    body: dict[str, Any]

    @property
    def expr(self) -> str:
        return str(self.body["expr"])

    @property
    def is_alert(self) -> bool:
        return "alert" in self.body


def all_rules() -> list[Rule]:
    """Every rule, in the order of files and lines."""
    return [
        Rule(rule.get("alert") or rule["record"], path, rule)
        for path in RULE_FILES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[Rule]:
    return [rule for rule in all_rules() if rule.is_alert]


def tool(name: str) -> Path:
    """The program of that name: what `make servers` installed, else what the machine has.
    Raises `MissingServerError`.
    """
    try:
        return command(name)
    except MissingServerError:
        found = shutil.which(name)
        if found is None:
            raise
        return Path(found)


def run(program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The program's exit code and what it said; it runs in alert-rules/."""
    return subprocess.run([program, *arguments], cwd=RULES, capture_output=True, text=True, check=False, timeout=120)
