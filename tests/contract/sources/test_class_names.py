"""A class name occurs once in its package, so that a reader knows which class it names."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("collector", "duckwatch", "exporters", "grafana")


def _duplicates(package: str) -> dict[str, list[str]]:
    """Return each class name that is defined more than once in `package`, with its places as `file:line`."""
    places = defaultdict(list)
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return {name: found for name, found in places.items() if len(found) > 1}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_class_name_occurs_once_in_its_package(package: str) -> None:
    """Each class name occurs once in its package, also those of private and nested classes."""
    assert not _duplicates(package), "rename one of each"
