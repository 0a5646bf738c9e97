"""A release: its files, its SBOM, the same bytes from every folder; the licences of what it depends on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name

from release import artefacts, licences
from release.commands import ROOT, run
from release.environment import closure
from tests.docs.blocks import pasted
from tests.docs.clone import Clone
from tests.servers.fixtures import need
from tests.servers.missing import MissingServerError

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("duckwatch-0.1.0-py3-none-any.whl", "duckwatch-0.1.0.tar.gz")

UNREAD = {"protobuf"}
"""Packages whose licence is a text that cyclonedx-py does not take. docs/licences.md has it."""


RELEASE, CHECKED = pasted("make release"), pasted("(cd dist && sha256sum --check SHA256SUMS)")


def copy_tree(folder: Path, mode: int, modified: float) -> Path:
    """Copy what git knows or would add, with another mode and date of each file."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
            target.chmod(mode)
            os.utime(target, (modified, modified))
    return folder


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a folder."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_the_same_tree_gives_the_same_bytes_in_every_folder(tmp_path: Path) -> None:
    """Wheel and sdist do not know where, when, by whom and with which modes they were built; the sdist has it all."""
    first = copy_tree(tmp_path / "first", 0o644, time.time())
    second = copy_tree(tmp_path / "a" / "longer" / "path", 0o600, 1_700_000_000)
    for tree, output in ((first, "one"), (second, "two")):
        artefacts.packages(tree, tmp_path / output)
    assert set(digests(tmp_path / "one")) == set(PACKAGES)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    with tarfile.open(tmp_path / "one" / PACKAGES[1]) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    artefacts.packages(tmp_path / "unpacked" / "duckwatch-0.1.0", tmp_path / "three")
    assert digests(tmp_path / "three")[PACKAGES[0]] == digests(tmp_path / "one")[PACKAGES[0]]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a release of the tree as it is, built by the command of the documents."""
    need(npm)
    clone = Clone.make(tmp_path_factory.mktemp("clone"))
    clone.paste(RELEASE)
    return clone.folder / "dist"


def npm() -> None:
    """Raise `MissingServerError` without npm, which packs the plugin."""
    if shutil.which("npm") is None:
        raise MissingServerError("npm is not installed: run `make servers` (as root, on Debian)")


def test_a_release_has_its_files_and_their_checksums(release: Path) -> None:
    """The checksums are those of every file; the notes are the changelog's section."""
    others = ("zonemta-duckwatch-0.1.0.tgz", "duckwatch-0.1.0.cdx.json", "duckwatch-0.1.0.md")
    assert set(digests(release)) == {*PACKAGES, *others, artefacts.CHECKSUMS}
    assert Clone(release.parent).paste(CHECKED).count(": OK") == len(digests(release)) - 1
    assert len((release / artefacts.CHECKSUMS).read_text(encoding="utf-8").splitlines()) == len(digests(release)) - 1
    section = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("## [0.1.0] - ")[2].partition("\n\n")[2]
    assert (release / others[2]).read_text(encoding="utf-8").endswith(section)


def test_the_sbom_names_what_is_installed_and_nothing_else(release: Path) -> None:
    """Each package of `duckwatch[all]` is in it, with its version and a licence; no tool of ours is."""
    document = json.loads((release / "duckwatch-0.1.0.cdx.json").read_text(encoding="utf-8"))
    found = {canonicalize_name(one["name"]): one for one in document["components"]}
    assert document["metadata"]["component"]["name"] == "duckwatch"
    assert set(found) == closure(["duckwatch[all]"]) - {"duckwatch"}
    assert {name: one["version"] for name, one in found.items()} == {name: version(name) for name in found}
    assert {name for name, one in found.items() if not one.get("licenses")} <= UNREAD


def test_the_notes_are_those_of_the_version() -> None:
    """The section of one version, without the one before; a version without a section is refused."""
    changelog = "# Changelog\n\n## [2.0.0] - unreleased\n\n- New.\n\n## [1.0.0] - 2026-01-02\n\n- Old.\n"
    assert artefacts.notes_of(changelog, "2.0.0") == "# duckwatch 2.0.0 (unreleased)\n\n- New.\n"
    assert artefacts.notes_of(changelog, "1.0.0") == "# duckwatch 1.0.0 (2026-01-02)\n\n- Old.\n"
    with pytest.raises(artefacts.ReleaseError, match=r"no section of 3\.0\.0"):
        artefacts.notes_of(changelog, "3.0.0")


def test_each_licence_is_allowed() -> None:
    """No dependency has a licence that is not on the list, and none states no licence."""
    lists = ((licences.installed(), licences.INSTALLED), (licences.tools(), licences.TOOLS))
    for packages, allowed in lists:
        assert packages
        assert [one for one in packages if not licences.identifiers(one.licence) <= allowed] == []


def test_a_licence_expression_is_taken_apart() -> None:
    """Each identifier counts, also beside an allowed one."""
    assert licences.identifiers("(MIT OR GPL-3.0-only) AND BSD-2-Clause") == {"MIT", "GPL-3.0-only", "BSD-2-Clause"}
