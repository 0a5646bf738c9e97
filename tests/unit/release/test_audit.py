"""What pip-audit and npm print, read: a vulnerability, silence, and a service that knows nothing."""

from __future__ import annotations

import json
from subprocess import CompletedProcess
from typing import Any

import pytest
from packaging.version import Version
from pip_audit._format.json import JsonFormat
from pip_audit._service.interface import Dependency, ResolvedDependency, SkippedDependency, VulnerabilityResult

from release import audit

GOOD, OTHER = ResolvedDependency("aiohttp", Version("3.14.5")), ResolvedDependency("idna", Version("3.20"))
NOT_FOUND = SkippedDependency("pyyaml", "Dependency not found on PyPI and could not be audited: pyyaml (6.0.3)")
FAULT = VulnerabilityResult("PYSEC-2026-1", "words", [Version("3.15")], set())
NPM_CLEAN: dict[str, Any] = {"auditReportVersion": 2, "vulnerabilities": {}, "metadata": {}}
NPM_FAULT = NPM_CLEAN | {"vulnerabilities": {"glob": {"name": "glob", "severity": "high", "range": "<10.5"}}}
NPM_REFUSED = {"message": "405 Method Not Allowed", "method": "POST", "error": {"summary": "", "detail": ""}}


def printed(found: dict[Dependency, list[VulnerabilityResult]]) -> str:
    """Return what pip-audit prints of this result."""
    text: str = JsonFormat(output_desc=False, output_aliases=False).format(found, [])
    return text


def test_pip_audit_is_read() -> None:
    """A vulnerability has its id and its cure; a package that the service does not know is named."""
    assert audit.of_python(printed({GOOD: [], OTHER: []})) == audit.Audit()
    found = audit.of_python(printed({GOOD: [FAULT], NOT_FOUND: []}))
    assert found == audit.Audit(("aiohttp 3.14.5: PYSEC-2026-1; fixed in 3.15",), ("pyyaml",))


@pytest.mark.parametrize("text", ["", "Traceback", "[]", printed({NOT_FOUND: []})])
def test_a_service_that_knows_nothing_is_not_reached(text: str) -> None:
    """pip-audit ends with 0 when it could ask about no package; that is not a clean bill."""
    assert not audit.of_python(text).is_reached


def test_npm_audit_is_read() -> None:
    """A vulnerability has its package, its versions and its severity; an error of the registry is no answer."""
    assert audit.of_npm(json.dumps(NPM_CLEAN)) == audit.Audit()
    assert audit.of_npm(json.dumps(NPM_FAULT)) == audit.Audit(("glob <10.5: high",))
    assert not audit.of_npm(json.dumps(NPM_REFUSED)).is_reached
    assert not audit.of_npm("").is_reached


@pytest.mark.parametrize(
    ("python", "npm", "codes"),
    [
        (printed({GOOD: []}), json.dumps(NPM_CLEAN), (0, 0)),
        (printed({GOOD: [FAULT]}), json.dumps(NPM_CLEAN), (1, 1)),
        (printed({GOOD: []}), json.dumps(NPM_FAULT), (1, 1)),
        (printed({GOOD: [], NOT_FOUND: []}), json.dumps(NPM_CLEAN), (0, 1)),
        ("", json.dumps(NPM_CLEAN), (0, 1)),
        (printed({GOOD: []}), json.dumps(NPM_REFUSED), (0, 1)),
    ],
)
def test_silence_fails_on_request_only(
    python: str, npm: str, codes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vulnerability always fails; a service that is not reached, only with --strict."""

    def said(*words: object) -> CompletedProcess[str]:
        return CompletedProcess([], 0, stdout=npm if words[0] == "npm" else python)

    monkeypatch.setattr(audit, "attempt", said)
    assert (audit.audit(is_strict=False), audit.audit(is_strict=True)) == codes
