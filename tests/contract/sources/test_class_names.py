"""A class name occurs once in its package: a reader who meets the name knows which class it is."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NOT_YET: dict[str, set[str]] = {
    "collector": {
        "Found",
        "Job",
        "Journal",
        "Ledger",
        "Read",
        "Retention",
        "Store",
        "Tally",
    },
    "duckwatch": set(),
    "exporters": {
        "Answer",
        "Limits",
    },
    "grafana": set(),
}
"""Names that still occur twice. A name leaves this list when one of its classes is renamed; none is added."""


def _duplicates(package: str) -> dict[str, list[str]]:
    """Return each class name that is defined more than once in `package`, with its places as `file:line`."""
    places = defaultdict(list)
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return {name: found for name, found in places.items() if len(found) > 1}


@pytest.mark.parametrize("package", NOT_YET)
def test_a_class_name_occurs_once_in_its_package(package: str) -> None:
    """Private and nested classes too."""
    new = {name: found for name, found in _duplicates(package).items() if name not in NOT_YET[package]}
    assert not new, "rename one of each"


@pytest.mark.parametrize("package", NOT_YET)
def test_a_name_that_became_unique_is_taken_from_the_list(package: str) -> None:
    """So that it cannot come back."""
    assert not NOT_YET[package] - set(_duplicates(package)), "take these names from NOT_YET"
