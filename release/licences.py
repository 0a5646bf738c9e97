"""The licences of all dependencies: docs/licences.md, and which of them may be there."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from typing import Final, NamedTuple

from packaging.utils import canonicalize_name

from release.commands import ROOT, run
from release.environment import closure

PAGE: Final = ROOT / "docs" / "licences.md"
EXTRAS: Final = ("collector", "dnsbl", "dashboards", "demo")

SPDX: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Names in packages' metadata -> SPDX identifiers. `BSD` says that the metadata do not name the variant."""

PERMISSIVE: Final = frozenset(
    {"0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-CMU", "PSF-2.0"}
    | {"BlueOak-1.0.0", "Python-2.0", "Zlib"}
)
INSTALLED: Final = PERMISSIVE | {"LGPL-3.0-only", "MPL-2.0"}
"""What may be installed with duckwatch. LGPL: psycopg, MPL: certifi; both are used as they are and can be replaced."""

TOOLS: Final = INSTALLED | {"CC-BY-4.0", "CC-BY-3.0", "DFSG approved", "GPL-2.0-only"}
"""What a developer's tools may have beside that. GPL: SecantusDB, which the tests run as a process of its own."""

HEAD: Final = """# Licences

duckwatch has the license [Apache-2.0](../LICENSE).
This page lists what it depends on, with the licence that each package states.
`make generate` writes it; a test compares the licences with a list of those that are allowed (`release/licences.py`).
"""


class LicensedPackage(NamedTuple):
    """A package, its licence, and what it is for."""

    name: str
    licence: str
    purpose: str


def identifiers(licence: str) -> set[str]:
    """Return the identifiers in a licence expression."""
    return set(re.split(r" AND | OR |[()]+", licence)) - {""}


def _of_environment() -> dict[str, str]:
    """Return the licence of each installed package, as SPDX where its metadata say it."""
    words = (sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json", "--with-system")
    return {
        canonicalize_name(one["Name"]): " AND ".join(SPDX.get(name, name) for name in one["License"].split("; "))
        for one in json.loads(run(*words))
    }


def installed() -> list[LicensedPackage]:
    """Return the packages that duckwatch's extras install, with the extras that need them."""
    licences = _of_environment()
    extras = {extra: closure([f"duckwatch[{extra}]"]) for extra in EXTRAS}
    shared = closure(["duckwatch"])
    found = sorted({name for names in extras.values() for name in names} - {"duckwatch"})
    return [
        LicensedPackage(name, licences[name], "every program" if name in shared else ", ".join(_of(name, extras)))
        for name in found
    ]


def _of(name: str, extras: dict[str, set[str]]) -> list[str]:
    programs = [extra for extra in EXTRAS[:-1] if name in extras[extra]]
    return programs or [EXTRAS[-1]]


def tools() -> list[LicensedPackage]:
    """Return the packages that only developers install: those of Python, then those of npm."""
    licences = _of_environment()
    group = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    names = closure(group) - closure(["duckwatch[all,demo]"])
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    npm = {path.rpartition("node_modules/")[2]: one.get("license", "unknown") for path, one in lock.items() if path}
    return [
        *(LicensedPackage(name, licences[name], "PyPI") for name in sorted(names)),
        *(LicensedPackage(name, licence, "npm") for name, licence in sorted(npm.items())),
    ]


def _table(rows: list[LicensedPackage], last: str) -> str:
    lines = [f"| package | licence | {last} |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {one.name} | {one.licence} | {one.purpose} |" for one in rows)])


def page() -> str:
    """Return the text of docs/licences.md."""
    return f"""{HEAD}
## Installed with duckwatch

The plugin for ZoneMTA depends on nothing.

{_table(installed(), "for")}

## Tools of developers

They are installed by `make setup` and `make check`, and are no part of a release.

{_table(tools(), "from")}
"""
