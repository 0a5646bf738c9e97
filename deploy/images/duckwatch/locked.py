"""Print the part of requirements.lock that an installation needs, hashes included.

    python locked.py                 what the project itself needs
    python locked.py --extra NAME    and the extra of that name
    python locked.py --only hatchling  that package alone, with what it needs

The lock file holds the development tools too. Its comments (`# via`) say which package needs which.
Run it where pyproject.toml and requirements.lock are. Standard library only: nothing is installed yet.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
_VIA = re.compile(r"^    # (?:via |  )(\S+)", re.MULTILINE)


class Locked(NamedTuple):
    """A package of the lock file: its lines, and the packages that need it."""

    text: str
    via: frozenset[str]


def name_of(requirement: str) -> str:
    """Return the normalised name of `psycopg[binary]>=3.2` (PEP 503). Raise ValueError if it has none."""
    found = _NAME.match(requirement)
    if found is None:
        raise ValueError(f"not a requirement: {requirement}")
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def read_lock(text: str) -> dict[str, Locked]:
    """Return the packages of a lock file by name."""
    parts = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    return {
        name_of(part): Locked(part, frozenset(name_of(one) for one in _VIA.findall(part)))
        for part in parts
        if _NAME.match(part)
    }


def needed(locked: dict[str, Locked], roots: set[str]) -> list[str]:
    """Return the names of the roots and of everything that they need. Raise KeyError for a root without a lock."""
    if missing := roots - locked.keys():
        raise KeyError(f"not in the lock file: {', '.join(sorted(missing))}")
    found, size = set(roots), 0
    while len(found) != size:
        size = len(found)
        found |= {name for name, one in locked.items() if one.via & found}
    return sorted(found)


def of_extras(project: dict[str, Any], extras: list[str]) -> list[str]:
    """Return the requirements of extras. An extra may name others: `duckwatch[collector,dnsbl]`."""
    found: list[str] = []
    for extra in extras:
        for one in project["optional-dependencies"][extra]:
            inner = re.fullmatch(rf"{re.escape(project['name'])}\[([^]]+)\]", one)
            found += [one] if inner is None else of_extras(project, re.split(r"\s*,\s*", inner[1]))
    return found


def main() -> int:
    """Print the lines. Return the exit code."""
    parser = argparse.ArgumentParser(description="Print the part of requirements.lock that an installation needs.")
    parser.add_argument("--extra", action="append", default=[], metavar="NAME", help="an extra of the project")
    parser.add_argument("--only", action="append", default=[], metavar="PACKAGE", help="not the project's own needs")
    options = parser.parse_args()
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = options.only or [*project["dependencies"], *of_extras(project, options.extra)]
    locked = read_lock(Path("requirements.lock").read_text(encoding="utf-8"))
    names = needed(locked, {name_of(one) for one in asked})
    sys.stdout.write("".join(locked[name].text for name in names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
