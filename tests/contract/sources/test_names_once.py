"""A class name, and a public function's name, occurs once in its package, so that a reader knows which one it names."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("collector", "duckwatch", "exporters", "grafana")
ENTRY_POINTS = frozenset({"build", "main", "run"})
"""Names that modules of one kind share: programs, commands and dashboards, each called through its module."""
PANELS = ROOT / "grafana" / "dashboards"
"""The folder of dashboards, where a panel's function is called through the module of its row."""


def _duplicates(places: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Return each name that occurs more than once, with its places."""
    found = defaultdict(list)
    for name, place in places:
        found[name].append(place)
    return {name: where for name, where in found.items() if len(where) > 1}


def classes(text: str) -> list[tuple[str, int]]:
    """Return the name and the line of each class of a module, also of private and nested ones."""
    return [(node.name, node.lineno) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]


def functions(text: str) -> list[tuple[str, int]]:
    """Return the name and the line of each public function of a module, without methods."""
    found = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [
        (node.name, node.lineno) for node in found if node.name not in ENTRY_POINTS and not node.name.startswith("_")
    ]


def _texts(package: str) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / package).rglob("*.py"))}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_class_name_occurs_once_in_its_package(package: str) -> None:
    """Each class name occurs once in its package, also those of private and nested classes."""
    places = [
        (name, f"{path.relative_to(ROOT)}:{line}")
        for path, text in _texts(package).items()
        for name, line in classes(text)
    ]
    assert len(places) > 20
    assert not _duplicates(places), "rename one of each"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_function_name_occurs_once_in_its_package(package: str) -> None:
    """Each public function's name occurs once in its package: `require_whole_body`, `require_whole_schema`."""
    places = [
        (name, f"{path.relative_to(ROOT)}:{line}")
        for path, text in _texts(package).items()
        if not path.is_relative_to(PANELS)
        for name, line in functions(text)
    ]
    assert len(places) > 20
    assert not _duplicates(places), "rename one of each"


def test_a_name_defined_twice_is_found() -> None:
    """A nested class and an asynchronous function count, a method and a private function do not."""
    text = "class A:\n    class B: ...\n    def c(self): ...\nasync def c(): ...\ndef _d(): ...\ndef main(): ...\n"
    assert classes(text) == [("A", 1), ("B", 2)]
    assert functions(text) == [("c", 4)]
    assert _duplicates([("c", "x:4"), ("A", "x:1"), ("c", "y:1")]) == {"c": ["x:4", "y:1"]}
