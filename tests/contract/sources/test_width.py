"""No line of a script, a recipe or a settings file is over 120 columns.

ruff holds Python to it, eslint and prettier hold JavaScript, and the tests beside this one hold Markdown and SQL.
"""

from __future__ import annotations

import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WIDTH = 120
UNBREAKABLE = 80
"""A word of this many columns (a link, a regular expression, a hash) may make its line too long."""

HELD_ELSEWHERE = ("*.py", "*.md", "*.sql", "*.js", "*.mjs")
WIDE = {
    "*.json": "written by programs: dashboards, package-lock.json",
    "*.jsonl": "recordings, a document a line",
    "*.tsv": "a table, a row a line",
    "deploy/kubernetes/rules/rules.yaml": "a copy of the rules",
    "tests/alert_rules/*": "tests of promtool: a series is a line",
    "tests/fixtures/*": "recordings, kept as they are",
}
"""Files that may have longer lines, with the reason."""


def _matches(name: str, patterns: object) -> bool:
    assert isinstance(patterns, tuple | dict)
    return any(fnmatch(name, pattern) for pattern in patterns)


def _texts() -> dict[str, str]:
    """Return the text files that git tracks or would add, and nothing else holds to a width."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    found = {}
    for name in sorted(set(names)):
        path = ROOT / name
        if not name or not path.is_file() or _matches(name, HELD_ELSEWHERE):
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            found[name] = content.decode("utf-8", errors="replace")
    return found


TEXTS = _texts()


def wide_lines(text: str) -> list[int]:
    """Return the numbers of the lines that are too long and could be broken."""
    return [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > WIDTH and max(map(len, line.split())) < UNBREAKABLE
    ]


def test_no_line_is_wide() -> None:
    """The Makefile, shell scripts, YAML, TOML and Dockerfiles among them."""
    assert {"Makefile", "pyproject.toml", ".ci/run", "deploy/compose/alertmanager.yml"} <= TEXTS.keys()
    wide = {name: wide_lines(text) for name, text in TEXTS.items() if not _matches(name, WIDE)}
    assert {name: lines for name, lines in wide.items() if lines} == {}


@pytest.mark.parametrize("pattern", WIDE)
def test_no_exception_is_needless(pattern: str) -> None:
    """Each pattern of WIDE is there for a file with a longer line."""
    assert any(wide_lines(text) for name, text in TEXTS.items() if fnmatch(name, pattern))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("word " * 24, []),
        ("a\n" + "word " * 25, [2]),
        ("x: " + "a" * 120, []),
        ("\t@" + "run it " * 20, [1]),
    ],
)
def test_a_wide_line_is_found(text: str, expected: list[int]) -> None:
    """A line that can be broken is found, one with a word that fills it is not."""
    assert wide_lines(text) == expected
