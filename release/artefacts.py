"""The files of a release: wheel, sdist, the plugin's npm package, SBOM, notes, checksums."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from release.commands import ROOT, run
from release.environment import Environment

CHECKSUMS: Final = "SHA256SUMS"
SECTION: Final = re.compile(r"^## \[(?P<version>[^]]+)\](?: - (?P<date>\S+))?$", re.MULTILINE)
UNRELEASED: Final = "unreleased"


class ReleaseError(Exception):
    """The tree is no release. The message says what to do."""


def build(output: Path) -> list[Path]:
    """Write the files of a release into `output` and return their paths. Raise `ReleaseError`."""
    version = version_of()
    output.mkdir(parents=True, exist_ok=True)
    package = packages(ROOT, output)
    tarball = plugin(output)
    sbom = bill_of_materials(package[0], output / f"duckwatch-{version}.cdx.json")
    notes = output / f"duckwatch-{version}.md"
    notes.write_text(notes_of((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version), encoding="utf-8")
    files = [*package, tarball, sbom, notes]
    sums = output / CHECKSUMS
    sums.write_text("".join(f"{_digest(file)}  {file.name}\n" for file in files), encoding="utf-8")
    return [*files, sums]


def version_of() -> str:
    """Return the version of the release, which the plugin has too. Raise `ReleaseError`."""
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    plugins = json.loads((ROOT / "zonemta-plugin" / "package.json").read_text(encoding="utf-8"))["version"]
    if plugins != version:
        raise ReleaseError(
            f"zonemta-plugin/package.json has the version {plugins}, pyproject.toml {version}: equal them"
        )
    return version


def packages(tree: Path, output: Path) -> list[Path]:
    """Build the wheel and the sdist of a tree. The same tree gives the same bytes wherever it is."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", output, folder=tree)
    version = version_of()
    return [output / f"duckwatch-{version}-py3-none-any.whl", output / f"duckwatch-{version}.tar.gz"]


def plugin(output: Path) -> Path:
    """Pack the plugin as npm publishes it."""
    words = ("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", output)
    (packed,) = json.loads(run(*words, folder=ROOT / "zonemta-plugin"))
    return output / str(packed["filename"])


def bill_of_materials(wheel: Path, file: Path) -> Path:
    """Write the SBOM (CycloneDX) of what `duckwatch[all]` installs."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Environment(Path(folder), wheel, "all")
        words = ("--output-reproducible", "--pyproject", ROOT / "pyproject.toml", "--output-file", file)
        run(sys.executable, "-m", "cyclonedx_py", "environment", *words, environment.bin / "python")
    return file


def notes_of(changelog: str, version: str) -> str:
    """Return the section of a version. Raise `ReleaseError`."""
    sections = list(SECTION.finditer(changelog))
    for section, following in zip(sections, [*sections[1:], None], strict=True):
        if section["version"] == version:
            text = changelog[section.end() : following.start() if following else len(changelog)]
            return f"# duckwatch {version} ({section['date'] or UNRELEASED})\n\n{text.strip()}\n"
    raise ReleaseError(f"CHANGELOG.md has no section of {version}: write one")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
