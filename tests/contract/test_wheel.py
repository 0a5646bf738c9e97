"""The wheel: its top-level names, its files, and its commands."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TOP_LEVEL = {"collector", "duckwatch", "exporters", "grafana"}


def run(*words: object, environ: dict[str, str] | None = None, folder: Path = ROOT) -> str:
    """Run a command that must succeed; return what it prints."""
    ended = subprocess.run(
        list(map(str, words)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env=os.environ | (environ or {}),
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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a folder; its dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps")
    run(*pip, "--target", folder, wheel)
    return folder


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


@pytest.mark.parametrize("command", PROJECT["scripts"])
def test_every_command_starts_from_the_installed_wheel(installed: Path, tmp_path: Path, command: str) -> None:
    """Each command starts with the wheel's modules, not with those of the tree."""
    environ = {"PYTHONPATH": str(installed)}
    package = PROJECT["scripts"][command].partition(":")[0]
    where = f"import importlib.util; print(importlib.util.find_spec({package!r}).origin)"
    assert Path(run(sys.executable, "-c", where, environ=environ, folder=tmp_path).strip()).is_relative_to(installed)
    assert command in run(installed / "bin" / command, "--help", environ=environ, folder=tmp_path)
