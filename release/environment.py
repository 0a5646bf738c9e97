"""A virtual environment that holds the wheel and what its extras ask for, and nothing else."""

from __future__ import annotations

import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from release.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def closure(requirements: Iterable[str]) -> set[str]:
    """Return the names of the distributions that these requirements install on this machine."""
    seen: dict[str, set[str]] = {}
    for text in requirements:
        _add(Requirement(text), set(), seen)
    return set(seen)


def _add(requirement: Requirement, extras: set[str], seen: dict[str, set[str]]) -> None:
    """Add a requirement of a distribution with these extras, and all that it needs."""
    marker = requirement.marker
    if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
        return
    name, asked = canonicalize_name(requirement.name), set(requirement.extras)
    known = seen.get(name)
    if known is not None and asked <= known:
        return
    seen[name] = asked | (known or set())
    for text in metadata.requires(name) or []:
        _add(Requirement(text), seen[name], seen)


def files_of(name: str) -> Iterator[tuple[Path, Path]]:
    """Yield the installed files of a distribution that are below site-packages: where they are, and their names."""
    for file in metadata.files(name) or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            yield Path(str(file.locate())), Path(str(file))


class Environment:
    """The environment in `folder`, with the wheel and one of its extras. Its packages are copies of this one's."""

    def __init__(self, folder: Path, wheel: Path, extra: str) -> None:
        self.bin = folder / "bin"
        run(sys.executable, "-m", "venv", "--without-pip", folder)
        site = Path(run(self.bin / "python", "-c", "import site; print(site.getsitepackages()[0])").strip())
        self.packages = closure([f"duckwatch[{extra}]"]) - {"duckwatch"}
        for name in self.packages:
            for source, target in files_of(name):
                (site / target).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, site / target)
        pip = (sys.executable, "-m", "pip", "--python", self.bin / "python", "--disable-pip-version-check")
        run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel)
