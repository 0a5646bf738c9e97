"""docs/decisions.md has one form, and whoever cites a decision cites one that exists."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
PARTS = ("Context", "Decision", "What would change it")

SECTION = re.compile(r"^## (.*)$\n", re.MULTILINE)
HEADING = re.compile(r"(\d+)\. (\S.*)")
DATED = re.compile(r"\n(\d{4}-\d{2}-\d{2})\n\n")
PART = re.compile(r"^\*\*([^*]+)\*\*:(?=\s+\S)", re.MULTILINE)

SOURCES = ("*.md", "*.py", "*.sql", "*.js", "*.toml", "*.yml", "*.sh", "Makefile")
WRAPPED = re.compile(r"\s*\n\s*(?:#|--|//|\*)?\s*")
BY_NUMBER = re.compile(r"\b[Dd]ecision (\d+)\b")
BY_TITLE = re.compile(r'decisions\.md`?\)?, "([^"]*)"')
BY_ANCHOR = re.compile(r"decisions\.md#([^)\s]*)|(?<=\]\(#)(\d+-[^)\s]*)")


class Decision(NamedTuple):
    """A section of the page. `number` is 0 and `date` is empty where the section has none."""

    number: int
    title: str
    date: str
    parts: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """The anchor that a Markdown renderer gives to the heading."""
        return re.sub(r"[^\w\- ]", "", f"{self.number}. {self.title}".lower()).replace(" ", "-")


def decisions(text: str) -> list[Decision]:
    """Return the sections of a page."""
    pieces = SECTION.split(text)[1:]
    found = []
    for heading, body in zip(pieces[::2], pieces[1::2], strict=True):
        numbered, dated = HEADING.fullmatch(heading), DATED.match(body)
        number, title = numbered.groups() if numbered else (0, heading)
        parts = tuple(name for name in PART.findall(body) if name in PARTS)
        found.append(Decision(int(number), title, dated[1] if dated else "", parts))
    return found


def faults(text: str) -> list[str]:
    """Return what is wrong with the form of a page, as `title: what`."""
    found, before = [], ""
    for number, one in enumerate(decisions(text), 1):
        if one.number != number:
            found.append(f"{one.title}: must have the number {number}")
        try:
            dt.date.fromisoformat(one.date)
        except ValueError:
            found.append(f"{one.title}: needs a date in a line of its own below the heading")
        if one.date and one.date < before:
            found.append(f"{one.title}: must come before the decisions of {before}")
        if one.parts != PARTS:
            found.append(f"{one.title}: needs each once, in this order: {', '.join(PARTS)}")
        before = max(before, one.date)
    return found


def unknown_citations(text: str, known: list[Decision]) -> list[str]:
    """Return the numbers, titles and anchors that a text cites and no decision has."""
    line = WRAPPED.sub(" ", text)
    anchors = {one.anchor for one in known}
    return [
        *(number for number in BY_NUMBER.findall(line) if int(number) not in {one.number for one in known}),
        *(title for title in BY_TITLE.findall(line) if title not in {one.title for one in known}),
        *(a or b for a, b in BY_ANCHOR.findall(line) if (a or b) not in anchors),
    ]


def _sources() -> dict[str, Path]:
    """Return every source and document that git knows, or would take, but for this file."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *SOURCES]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    own = Path(__file__).relative_to(ROOT).as_posix()
    return {name: ROOT / name for name in sorted(set(names)) if name and name != own and (ROOT / name).exists()}


def test_each_decision_has_a_number_a_date_and_three_parts() -> None:
    """The numbers run from 1 without gaps, and the newest decision is the last."""
    assert decisions(PAGE)
    assert faults(PAGE) == []


def test_no_two_decisions_have_one_title() -> None:
    """A citation by title leads to one decision."""
    titles = [one.title for one in decisions(PAGE)]
    assert sorted(set(titles)) == sorted(titles)


def test_each_citation_leads_to_a_decision() -> None:
    """By its number, its title or its anchor, in code and documents."""
    known = decisions(PAGE)
    texts = {name: path.read_text(encoding="utf-8") for name, path in _sources().items()}
    assert sum(len(BY_NUMBER.findall(text)) for text in texts.values()) > 1
    wrong = {name: unknown_citations(text, known) for name, text in texts.items()}
    assert {name: cited for name, cited in wrong.items() if cited} == {}


GOOD = "\n2026-11-24\n\n**Context**: One.\n\n**Decision**: Two:\n\n- three.\n\n**What would change it**:\nFour.\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"# Page\n\n## 1. A\n{GOOD}\n## 2. B\n{GOOD}", []),
        (f"## 1. A\n{GOOD}\n## 3. C\n{GOOD}", ["C: must have the number 2"]),
        (f"## A\n{GOOD}", ["A: must have the number 1"]),
        (f"## 1. A\n{GOOD.replace('11-24', '13-24')}", ["A: needs a date in a line of its own below the heading"]),
        (f"## 1. A\n{GOOD[12:]}", ["A: needs a date in a line of its own below the heading"]),
        (
            f"## 1. A\n{GOOD}\n## 2. B\n{GOOD.replace('11-24', '11-23')}",
            ["B: must come before the decisions of 2026-11-24"],
        ),
        *(
            (
                f"## 1. A\n{GOOD.replace(was, becomes)}",
                ["A: needs each once, in this order: Context, Decision, What would change it"],
            )
            for was, becomes in (
                ("**Context**: One.\n", ""),
                ("**Decision**", "**Context**"),
                ("**What would change it**:\nFour.\n", "**What would change it**:\n"),
            )
        ),
    ],
)
def test_the_form_is_held(text: str, expected: list[str]) -> None:
    """A section that lacks something is found."""
    assert faults(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# See decision 1, and docs/decisions.md.", []),
        ("decision\n-- 9 says so", ["9"]),
        ('(docs/decisions.md, "The `a`, or b")', []),
        ('(docs/decisions.md,\n# "The `a`")', ["The `a`"]),
        ("[decision 1](decisions.md#1-the-a-or-b)", []),
        ("[decision 1](decisions.md#1-the-a)", ["1-the-a"]),
        ("[decision 1](#1-the-b)", ["1-the-b"]),
    ],
)
def test_a_citation_of_no_decision_is_found(text: str, expected: list[str]) -> None:
    """Also where it is broken over two lines of a comment."""
    assert unknown_citations(text, decisions(f"## 1. The `a`, or b\n{GOOD}")) == expected
