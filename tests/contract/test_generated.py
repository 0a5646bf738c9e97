"""Each file that `make generate` writes is up to date. `make check` runs these tests: none needs a server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from examples import compose, generate, rules
from release import licences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT: Final = Path(__file__).parents[2]
WRITTEN: Final[Mapping[str, Mapping[Path, Callable[[], str]]]] = {
    "python -m examples.generate": {generate.EXAMPLE: generate.build},
    "python -m examples.compose": compose.FILES,
    "python -m examples.rules": {rules.RULES: rules.build},
    "python -m release licences": {licences.PAGE: licences.page},
}
"""The files that a command of `make generate` writes, and how."""

WITH_A_CHECK: Final = {
    "duckwatch-dashboards build": "duckwatch-dashboards check",
    "python -m duckwatch.rules.generate": "python -m duckwatch.rules check",
}
"""Commands of `make generate`, and the commands of `make check` that look at what they write."""

FILES: Final = {file: build for files in WRITTEN.values() for file, build in files.items()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_generated_file_is_up_to_date(file: Path) -> None:
    """The file is what `make generate` writes."""
    assert file.read_text(encoding="utf-8") == FILES[file](), "run `make generate` and commit"


def commands(target: str) -> set[str]:
    """Return the commands of a target of the Makefile that run a program of `.venv`."""
    recipe = re.search(rf"^{target}: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    return set(re.findall(r"^\t@\$\(BIN\)/(.+)$", recipe[1], re.MULTILINE))


def test_make_check_looks_at_everything_that_make_generate_writes() -> None:
    """A generator that is added joins one of the tables."""
    assert commands("generate") == WRITTEN.keys() | WITH_A_CHECK.keys()
    assert set(WITH_A_CHECK.values()) <= commands("check")
    assert any(f" tests/contract/{Path(__file__).name}" in command for command in commands("check"))
