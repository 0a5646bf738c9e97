"""Cases for promtool, cut down: each test gets only the rules that it reads.

promtool evaluates every rule of a case's files at every step of every test, and most tests are about one alert.
A rule depends on other rules only by the series that it reads, so the test asserts the same without all others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from duckwatch.rules.limits import THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Group = dict[str, Any]
Rule = dict[str, Any]
Test = dict[str, Any]

RECORDED: Final = re.compile(r"\w+:\w+:\w+")
LINE: Final = re.compile(re.escape(THRESHOLD) + r'\{\s*name="(\w+)"')
"""A selector of thresholds.yml that reads the lines of one name."""


def cut_down(case: Path, folder: Path) -> list[Path]:
    """Write the case's tests and their rules into the folder, a file for each set of rules. Return the cases' paths."""
    whole = _read(case)
    files = [_read(case.parent / path)["groups"] for path in whole["rule_files"]]
    groups: list[Group] = [group for file in files for group in file]
    sets: list[tuple[list[Group], list[Test]]] = []
    for test in whole["tests"]:
        kept = list(kept_rules(groups, test))
        tests = next((tests for rules, tests in sets if rules == kept), None)
        if tests is None:
            sets.append((kept, [test]))
        else:
            tests.append(test)
    return [_write(folder / f"{number}.test.yml", whole, *one) for number, one in enumerate(sets)]


def _read(path: Path) -> Any:
    return yaml.load(path.read_text(), yaml.CSafeLoader)


def _write(path: Path, whole: dict[str, Any], groups: list[Group], tests: list[Test]) -> Path:
    """Write a case with these groups and tests, and beside it the groups. Return the case's path."""
    rules, order = path.with_suffix(".rules"), [group["name"] for group in groups]
    case = {**whole, "rule_files": [rules.name], "group_eval_order": order, "tests": tests}
    for file, content in ((rules, {"groups": groups}), (path, case)):
        file.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False))
    return path


def kept_rules(groups: Sequence[Group], test: Test) -> Iterator[Group]:
    """Yield the groups with the rules that the test reads, in their order."""
    rules = [rule for group in groups for rule in group["rules"]]
    names = {rule["alert"] for rule in rules if "alert" in rule}
    asked = [one["expr"] for one in test.get("promql_expr_test", [])]
    about = {one["alertname"] for one in test.get("alert_rule_test", [])}
    if any("ALERTS" in expr for expr in asked):
        about |= names
    read = [*asked, *(rule["expr"] for rule in rules if rule.get("alert") in about)]
    kept = {id(rule) for rule in rules if rule.get("alert") in about}
    recording = [rule for rule in rules if "record" in rule]
    while read:
        expr = str(read.pop())
        found = [rule for rule in recording if id(rule) not in kept and _is_read(rule, expr)]
        kept |= {id(rule) for rule in found}
        read += [rule["expr"] for rule in found]
    for group in groups:
        if rest := [rule for rule in group["rules"] if id(rule) in kept]:
            yield {**group, "rules": rest}


def _is_read(rule: Rule, expr: str) -> bool:
    """Return True if the expression reads the series that the rule records."""
    if rule["record"] == THRESHOLD and expr.count(THRESHOLD) == len(lines := LINE.findall(expr)):
        return rule["labels"]["name"] in lines
    return rule["record"] in RECORDED.findall(expr)
