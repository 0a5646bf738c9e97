"""Known vulnerabilities of the dependencies, as pip-audit and npm know them.

Both ask a service. pip-audit ends with 0 even if the service knows none of the packages, so its exit code says nothing.
"""

from __future__ import annotations

import json
import sys
from typing import Any, NamedTuple

from release.commands import attempt

PYTHON = (
    sys.executable,
    *("-m", "pip_audit", "--requirement", "requirements.lock", "--require-hashes", "--disable-pip"),
    *("--format", "json", "--progress-spinner", "off"),
)
NPM = ("npm", "audit", "--package-lock-only", "--json")


class Audit(NamedTuple):
    """What a service said: the vulnerable packages, and those about which it said nothing."""

    vulnerable: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    is_reached: bool = True


def of_python(printed: str) -> Audit:
    """Return what pip-audit printed. Without JSON the service was not reached."""
    try:
        packages = json.loads(printed)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit(is_reached=False)
    vulnerable = tuple(_told(one["name"], one["version"], one["vulns"]) for one in packages if one.get("vulns"))
    unknown = tuple(one["name"] for one in packages if "skip_reason" in one)
    return Audit(vulnerable, unknown, is_reached=len(unknown) < len(packages))


def _told(name: str, version: str, vulnerabilities: list[dict[str, Any]]) -> str:
    ids = ", ".join(one["id"] for one in vulnerabilities)
    fixed = sorted({version for one in vulnerabilities for version in one.get("fix_versions", [])})
    return f"{name} {version}: {ids}; fixed in {', '.join(fixed) or 'no version yet'}"


def of_npm(printed: str) -> Audit:
    """Return what `npm audit` printed. Without a list of vulnerabilities the service was not reached."""
    try:
        found = json.loads(printed)["vulnerabilities"]
    except (ValueError, KeyError, TypeError):
        return Audit(is_reached=False)
    return Audit(tuple(f"{name} {one['range']}: {one['severity']}" for name, one in sorted(found.items())))


def audit(*, is_strict: bool) -> int:
    """Ask both services, print what they say, and return the exit code: 1 for a vulnerability.

    A service that is not reached, or a package that it does not know, is 1 only when `is_strict`.
    """
    code = 0
    for name, words, read in (("pip-audit", PYTHON, of_python), ("npm audit", NPM, of_npm)):
        said = read(attempt(*words).stdout)
        for line in said.vulnerable:
            print(f"{name}: {line}")
        if not said.is_reached:
            print(f"{name}: its service was not reached, so nothing is known of these packages")
        elif said.unknown:
            print(f"{name}: its service does not know {', '.join(said.unknown)}")
        elif not said.vulnerable:
            print(f"{name}: no known vulnerability")
        if said.vulnerable or (is_strict and (said.unknown or not said.is_reached)):
            code = 1
    return code
