"""Markdown has one sentence a line, and no line over 120 columns, tables and code included."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WIDTH = 120

FENCE = re.compile(r"\s*(```|~~~)")
NUMBER = re.compile(r"^\s*(\d+\.|[-*+]|#+( \d+\.)?) ")
CODE = re.compile(r"(`+).+?\1")
LINK = re.compile(r"!?\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])")
ABBREVIATION = re.compile(r"\b(e\.g|i\.e|etc|cf|vs|No)\. ")
# A full stop, question or exclamation mark, closing characters after it, then the begin of a sentence.
BETWEEN_SENTENCES = re.compile(r"[.!?][\"'”)*_]*\s+[\"'“(*_]*[A-Z0-9`]")


def _files() -> dict[str, Path]:
    """Return every Markdown file that git tracks or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return {name: ROOT / name for name in sorted(set(names)) if name and (ROOT / name).exists()}


FILES = _files()


def _has_two_sentences(line: str) -> bool:
    """Return True when a cell or a line of prose holds the end of a sentence and the begin of the next."""
    text = LINK.sub(r"\1", CODE.sub("`", NUMBER.sub("", line)))
    text = ABBREVIATION.sub("", text)
    return any(BETWEEN_SENTENCES.search(cell) for cell in (text.split("|") if text.startswith("|") else [text]))


def faults(text: str) -> list[str]:
    """Return the faults of a document, as `line number: what`."""
    found, fenced = [], False
    for number, line in enumerate(text.splitlines(), 1):
        is_fence = FENCE.match(line) is not None
        # A link or a hash that is itself too long cannot be broken.
        if len(line) > WIDTH and " " in line.strip()[2:]:
            found.append(f"{number}: {len(line)} columns")
        if not fenced and not is_fence and _has_two_sentences(line):
            found.append(f"{number}: two sentences")
        fenced ^= is_fence
    return found


def test_a_document_has_one_sentence_a_line_of_120_columns() -> None:
    """No line has two sentences or more than 120 columns."""
    found = {name: faults(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
    assert not {name: wrong for name, wrong in found.items() if wrong}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("The journal keeps an event. The writer stores it.", ["1: two sentences"]),
        ("1. The journal keeps `a`. `b` is next.", ["1: two sentences"]),
        ("- **Bold.** Then more.", ["1: two sentences"]),
        ("Is it on? 5 minutes later it is.", ["1: two sentences"]),
        ("It is so ([here](a.md). See there.) ", ["1: two sentences"]),
        ("| one | Two. Three. |", ["1: two sentences"]),
        ("| one. | Two |", []),
        ("1. Debian 12.1 and e.g. Ubuntu, `a. B`, RFC 9112, v1.2.", []),
        ("A line that ends here.", []),
        ("```\nSELECT 1. A\n```\nOne. Two.", ["4: two sentences"]),
        ("word " * 25, ["1: 125 columns"]),
        ("| " + "cell " * 30 + "|", ["1: 153 columns"]),
        ("<https://example.org/" + "a" * 120 + ">", []),
    ],
)
def test_the_rules_find_what_they_are_for(line: str, expected: list[str]) -> None:
    """The rules find each fault, and nothing else."""
    assert faults(line) == expected
