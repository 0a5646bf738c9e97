"""Cases for promtool, cut down: each test gets only the rules that it reads, and the counters that stand at 0.

promtool evaluates every rule of a case's files at every step of every test, and most tests are about one alert.
A rule depends on other rules only by the series that it reads, so the test asserts the same without all others.
A collector shows every class, attempt and outcome of a place from its first event on. A case names those with mail.
Where the collector itself is not named, it is there all the time.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import yaml

from collector.events.model.outcome import OutcomeClass
from collector.events.model.tally import ATTEMPTS, OUTCOMES, OUTCOMES_OF_ADDRESS
from duckwatch.rules.limits import THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FROM_THE_START: Final[dict[str, list[dict[str, str]]]] = {
    "duckwatch_mail_outcomes_total": [{"class": name} for name in OutcomeClass],
    "duckwatch_mail_attempts_total": [
        {"attempt": attempt, "outcome": outcome} for attempt, outcome in product(ATTEMPTS, OUTCOMES)
    ],
    "duckwatch_sending_ip_events_total": [{"outcome": outcome} for outcome in OUTCOMES_OF_ADDRESS],
}
"""The labels that a collector shows of each place, at 0 if nothing happened (collector/metrics/mail.py)."""

COLLECTOR: Final = {"series": 'duckwatch_build_info{version="implied"}', "values": "1x15000"}
"""The collector of a case that names none: it is there all the time, also in the longest case."""

Group = dict[str, Any]
Labels = tuple[Any, ...]
Row = dict[str, Any]
Rule = dict[str, Any]
Test = dict[str, Any]

RECORDED: Final = re.compile(r"\w+:\w+:\w+")
LINES: Final = re.compile(r"\bname\w*:duckwatch_threshold:line\b")
"""The series of all lines of thresholds.yml with some labels."""

LINE: Final = re.compile(rf'(?:{re.escape(THRESHOLD)}|{LINES.pattern})\{{\s*name="(\w+)"')
"""A selector that reads the lines of one name."""


def cut_down(case: Path, folder: Path) -> list[Path]:
    """Write the case's tests and their rules into the folder, a file for each set of rules. Return the cases' paths."""
    whole = _read(case)
    files = [_read(case.parent / path)["groups"] for path in whole["rule_files"]]
    groups: list[Group] = [group for file in files for group in file]
    sets: list[tuple[list[Group], list[Test]]] = []
    for test in whole["tests"]:
        test["input_series"] += _standing(test["input_series"]) + _collector(test["input_series"])
        kept = list(kept_rules(groups, test))
        tests = next((tests for rules, tests in sets if rules == kept), None)
        if tests is None:
            sets.append((kept, [test]))
        else:
            tests.append(test)
    return [_write(folder / f"{number}.test.yml", whole, *one) for number, one in enumerate(sets)]


def _standing(named: Sequence[Row]) -> list[Row]:
    """Return the counters of the named places that the case does not name: at 0, and gone when the place is gone."""
    written = {_labels(row["series"]): row["values"] for row in named}
    places: dict[Labels, str] = {}  # the first series of the place says when it is there
    for (metric, *labels), values in written.items():
        if rest := FROM_THE_START.get(metric):
            places.setdefault((metric, *(pair for pair in labels if pair[0] not in rest[0])), _zeros(values))
    return [
        {"series": metric + "{" + ", ".join(f'{label}="{value}"' for label, value in labels) + "}", "values": zeros}
        for (metric, *place), zeros in places.items()
        for rest in FROM_THE_START[metric]
        if (labels := sorted((*place, *rest.items()))) and (metric, *labels) not in written
    ]


def _collector(named: Sequence[Row]) -> list[Row]:
    """Return the series by which the rules know that a collector is there, if the case has mail and names none."""
    metrics = {_labels(row["series"])[0] for row in named}
    return [] if metrics.isdisjoint(FROM_THE_START) or "duckwatch_build_info" in metrics else [dict(COLLECTOR)]


def _labels(series: str) -> Labels:
    """Return the metric and the sorted labels of a series as promtool writes it."""
    metric, _, labels = series.strip().partition("{")
    return (metric, *sorted(re.findall(r'(\w+)\s*=\s*"([^"]*)"', labels)))


def _zeros(values: str) -> str:
    """Return promtool's values with 0 for each number: `0+60x3 stale 5` gives `0x3 stale 0`."""
    return re.sub(r"(?<!\S)-?[\d.]+(?:[+-][\d.]+)?", "0", str(values))


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
        read += [rule["expr"] for rule in found if not LINES.fullmatch(rule["record"])]
    for group in groups:
        if rest := [rule for rule in group["rules"] if id(rule) in kept]:
            yield {**group, "rules": rest}


def _is_read(rule: Rule, expr: str) -> bool:
    """Return True if the expression reads the series that the rule records."""
    lines = LINE.findall(expr)
    if rule["record"] == THRESHOLD and expr.count(THRESHOLD) + len(LINES.findall(expr)) == len(lines):
        return rule["labels"]["name"] in lines
    return rule["record"] in RECORDED.findall(expr)
