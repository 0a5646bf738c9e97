"""`doctor`: examine the installation, and print what to do about each fault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from collector.finding import Status
from collector.operations.doctor import examine
from collector.operations.doctor.installation import Installation
from duckwatch.base.output import json_text

if TYPE_CHECKING:
    from collector.config import Settings
    from collector.finding import Finding
    from collector.telemetry import Signals


def run(settings: Settings, signals: Signals | None, *, as_json: bool) -> int:
    """Print what every check finds. Return 1 when there is a fault, else 0."""
    installation = Installation(settings.collector, signals)
    findings = []
    try:
        for finding in examine(installation):
            findings.append(finding)
            if not as_json:
                _print(finding)
    finally:
        installation.close()
    faults, warnings = (sum(one.status is kind for one in findings) for kind in (Status.FAULT, Status.WARNING))
    if as_json:
        report = {"faults": faults, "warnings": warnings, "findings": msgspec.to_builtins(findings)}
        print(json_text(json.dumps(report, indent=2, ensure_ascii=False)))
    else:
        print(f"faults: {faults}, warnings: {warnings}")
    return 1 if faults else 0


def _print(finding: Finding) -> None:
    print(f"{finding.status:<8} {finding.check:<14} {finding.what}", flush=True)
    if finding.remedy:
        print(f"{'':<23} -> {finding.remedy}")
