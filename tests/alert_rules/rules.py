"""The rules in the files under alert-rules/, and the programs that check them: promtool and amtool."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.servers.installed import command
from tests.servers.missing import MissingServerError

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
RULES = ROOT / "alert-rules"
TESTS = Path(__file__).parent

RULE_FILES = [
    RULES / "thresholds.yml",
    *sorted((RULES / "recording").glob("*.yml")),
    *sorted((RULES / "alerts").glob("*.yml")),
]


SELDOM = {"GOGC": "400"}
"""For programs in Go: collect garbage seldom, which saves a fifth of promtool's time."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a file. `name` is that of the alert or of the recorded series, `body` the rule as it is written."""

    name: str
    file: Path
    body: dict[str, Any]

    @property
    def expr(self) -> str:
        return str(self.body["expr"])

    @property
    def is_alert(self) -> bool:
        return "alert" in self.body

    @property
    def severity(self) -> str:
        return str(self.body["labels"]["severity"])

    def __str__(self) -> str:
        return f"{self.name}-{self.severity}" if self.is_alert else self.name


@cache
def all_rules() -> list[Rule]:
    """Return every rule, in the order of files and lines. Read once, as many tests are made of it."""
    return [
        Rule(rule.get("alert") or rule["record"], path, rule)
        for path in RULE_FILES
        for group in yaml.load(path.read_text(), yaml.CSafeLoader)["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[Rule]:
    return [rule for rule in all_rules() if rule.is_alert]


def tool(name: str) -> Path:
    """Return the path of a program: the one that `make servers` has installed, else the machine's own.

    Raise `MissingServerError`.
    """
    try:
        return command(name)
    except MissingServerError:
        found = shutil.which(name)
        if found is None:
            raise
        return Path(found)


def run(
    program: Path, *arguments: str | Path, patience: float = 600, environment: Mapping[str, str] = SELDOM
) -> subprocess.CompletedProcess[str]:
    """Run a program in alert-rules/. Return its exit code and output."""
    return subprocess.run(
        [program, *arguments],
        cwd=RULES,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=patience,
    )
