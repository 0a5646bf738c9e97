"""Each SQL file says in its first line, as a comment, what it asks or does."""

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
"""The first migration that has no line over WIDEST. Earlier ones have been applied: their SQL stays as it is."""


def _begins_with_a_comment(path: Path) -> bool:
    """Tell whether the first line is a comment of at least three words."""
    return COMMENT.fullmatch(path.read_text(encoding="utf-8").split("\n", 1)[0]) is not None


@pytest.mark.parametrize("name", FILES)
def test_the_first_line_says_what_the_sql_asks(name: str) -> None:
    """Every file, of queries and of migrations."""
    assert _begins_with_a_comment(FILES[name])


@pytest.mark.parametrize("name", FILES)
def test_no_line_of_sql_is_wide(name: str) -> None:
    """Migrations of before that rule are left out."""
    number = FILES[name].name[:4]
    if number.isdigit() and int(number) < FIRST_NARROW:
        return
    assert max(map(len, FILES[name].read_text(encoding="utf-8").splitlines())) <= WIDEST


def test_the_files_are_found() -> None:
    """In all three folders."""
    assert len(FILES) > 100
    assert {folder for name in FILES for folder in FOLDERS if name.startswith(folder + "/")} == set(FOLDERS)
