"""What the documents show of `doctor` is what it can print: each finding and remedy is a text of its checks."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from collector.operations.doctor.examination import CHECKS

ROOT = Path(__file__).parents[2]
PAGES = ("docs/connect.md", "docs/troubleshooting.md")
BLOCK = re.compile(r"^ *```text\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
FINDING = re.compile(r"(?:ok|warning|fault|skipped) +(\S.*)")
LEAST_LETTERS = 8
"""A text of fewer letters beside its values matches nearly everything."""


class ShownFinding(NamedTuple):
    """A finding as a document shows it, its broken lines joined: the name of the check and the text; the remedy."""

    text: str
    remedy: str | None


def shown(page: str) -> list[ShownFinding]:
    """Return the findings in the blocks of a document."""
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [finding for block in blocks for finding in findings(block.splitlines())]


def findings(lines: list[str]) -> list[ShownFinding]:
    """Return the findings among the lines of a block. A broken line goes on with spaces."""
    found: list[ShownFinding] = []
    for line in lines:
        began, words = FINDING.fullmatch(line.strip()), line.strip()
        if began:
            found.append(ShownFinding(began[1], None))
        elif found and words.startswith("-> "):
            found[-1] = ShownFinding(found[-1].text, words[3:])
        elif found and line.startswith(" "):
            text, remedy = found[-1]
            found[-1] = (
                ShownFinding(f"{text} {words}", None) if remedy is None else ShownFinding(text, f"{remedy} {words}")
            )
    return found


@cache
def texts() -> tuple[re.Pattern[str], ...]:
    """Return each text of the checks' modules as a pattern, in which a value may be anything."""
    made: list[re.Pattern[str]] = []
    for path in sorted((ROOT / "collector" / "operations" / "doctor").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            constants = [part.value if isinstance(part, ast.Constant) else None for part in parts]
            letters = sum(len(one) for one in constants if isinstance(one, str))
            if letters >= LEAST_LETTERS:
                made.append(re.compile("".join(re.escape(one) if isinstance(one, str) else ".+" for one in constants)))
    return tuple(made)


@pytest.mark.parametrize("page", PAGES)
def test_a_finding_that_a_document_shows_is_one_of_doctors(page: str) -> None:
    """The name is that of a check, and the text and the remedy are in the modules of the checks."""
    names = sorted(CHECKS, key=len, reverse=True)
    examples = shown(page)
    assert examples
    for text, remedy in examples:
        name = next((name for name in names if text.startswith(f"{name} ")), None)
        assert name is not None, text
        for said in (text.removeprefix(name).strip(), *([] if remedy is None else [remedy])):
            assert any(one.fullmatch(said) for one in texts()), said
