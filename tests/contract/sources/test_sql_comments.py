"""The first line of each SQL file is a comment that says what the SQL asks or does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = ("collector/store/queries", "collector/store/migrations", "grafana/queries")
FILES = {str(path.relative_to(ROOT)): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.sql"))}
COMMENT = re.compile(r"-- \S+( \S+){2,}")
WIDEST = 120
FIRST_NARROW = 20
"""The first migration to which the width rule applies. Earlier ones may have been applied, so they stay unchanged."""


def _begins_with_a_comment(path: Path) -> bool:
    """Return True when the first line is a comment of at least three words."""
    return COMMENT.fullmatch(path.read_text(encoding="utf-8").split("\n", 1)[0]) is not None


@pytest.mark.parametrize("name", FILES)
def test_the_first_line_says_what_the_sql_asks(name: str) -> None:
    """Each file of queries and migrations begins with a comment."""
    assert _begins_with_a_comment(FILES[name])


@pytest.mark.parametrize("name", FILES)
def test_no_line_of_sql_is_wide(name: str) -> None:
    """No SQL line is too wide, except in migrations older than the rule."""
    number = FILES[name].name[:4]
    if number.isdigit() and int(number) < FIRST_NARROW:
        return
    assert max(map(len, FILES[name].read_text(encoding="utf-8").splitlines())) <= WIDEST


def test_the_files_are_found() -> None:
    """The tests above find files in all three folders."""
    assert len(FILES) > 100
    assert {folder for name in FILES for folder in FOLDERS if name.startswith(folder + "/")} == set(FOLDERS)
