"""The lists of rooms in the documents equal the import contracts."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = {contract["containers"][0]: contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"}
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def _documented(container: str) -> list[set[str]]:
    """Return the layers of a section. A numbered line begins a layer; a line that begins with a name is a room."""
    section = PAGE.partition(f"### `{container}`\n")[2].partition("\n#")[0]
    layers: list[set[str]] = []
    for line in section.splitlines():
        if re.match(r"\d+\. ", line):
            layers.append(set())
        if room := re.match(r"(?:\d+\.| +-) `(\w+)`:", line):
            layers[-1].add(room[1])
    return layers


@pytest.mark.parametrize("container", LAYERS)
def test_the_documented_rooms_are_the_layers_of_the_import_contract(container: str) -> None:
    """The documented layers are those of the import contract, from the top down."""
    assert _documented(container) == [{room.strip() for room in layer.split("|")} for layer in LAYERS[container]]


@pytest.mark.parametrize("container", LAYERS)
def test_every_room_of_a_package_stands_in_its_contract(container: str) -> None:
    """Every room is in a layer of the contract, a new one too."""
    folder = ROOT / container.replace(".", "/")
    rooms = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__", "queries"} == {room.strip() for layer in LAYERS[container] for room in layer.split("|")}
