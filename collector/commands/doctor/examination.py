"""The table of checks, running them, and how their findings are shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import msgspec
import psycopg

from collector.commands.doctor import (
    alerting,
    contexts,
    dashboards,
    database,
    machine,
    obstacles,
    policies,
    roads,
    rollups,
    running,
)
from collector.commands.doctor.finding import Finding, Status, fault, skipped
from collector.commands.doctor.patient import Patient
from collector.errors import StoreUnavailableError
from duckwatch.base.output import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from collector.config import Settings
    from collector.telemetry import Signals

    Check = Callable[[Patient], Iterator[Finding]]

CHECKS: Final[Mapping[str, Check]] = {
    "database": database.reachable,
    "tier": database.tier,
    "durability": database.durability,
    "schema": database.schema,
    "rights": database.rights,
    "obstacles": obstacles.obstacles,
    "policies": policies.policies,
    "rollups": rollups.rollups,
    "clock": database.clock,
    "session": database.session,
    "journal": machine.journal_place,
    "journal room": machine.journal_room,
    "journal fsync": machine.journal_fsync,
    "collector": running.collector,
    "prometheus": running.prometheus,
    "alert rules": alerting.rules,
    "alertmanager": alerting.alertmanager,
    "dashboards": dashboards.role,
    "plugins": running.plugins,
    "contexts": contexts.contexts,
    "clusters": roads.clusters,
    "mongodb": roads.mongodb,
    "gelf": roads.gelf,
    "dead letters": running.dead_letters,
    "telemetry": running.telemetry,
}
"""Every check by its name, in the order in which it is shown. A check yields what it finds; it may raise what `_asked` catches."""


def run(settings: Settings, signals: Signals | None, *, as_json: bool) -> int:
    """Prints what every check finds; returns 1 when there is a fault, else 0."""
    patient = Patient(settings.collector, signals)
    findings = []
    try:
        for one in examine(patient):
            findings.append(one)
            if not as_json:
                show(one)
    finally:
        patient.close()
    faults, warnings = (sum(one.status is kind for one in findings) for kind in (Status.FAULT, Status.WARNING))
    if as_json:
        told = {"faults": faults, "warnings": warnings, "findings": msgspec.to_builtins(findings)}
        print(json_text(json.dumps(told, indent=2, ensure_ascii=False)))
    else:
        print(f"faults: {faults}, warnings: {warnings}")
    return 1 if faults else 0


def examine(patient: Patient, checks: Mapping[str, Check] = CHECKS) -> Iterator[Finding]:
    """Yields the findings of all checks, each with its check's name. Raises nothing: a check that cannot be made says so."""
    for name, check in checks.items():
        for found in _asked(check, patient):
            yield msgspec.structs.replace(found, check=name)


def _asked(check: Check, patient: Patient) -> Iterator[Finding]:
    try:
        yield from check(patient)
    except StoreUnavailableError as error:
        yield skipped(f"the database cannot be reached ({error.word})")
    except psycopg.Error as error:
        # The server's own words may quote rows.
        state = error.sqlstate or "the connection was lost"
        yield fault(f"the database does not answer this check ({state})", "the server's log says why")
    except OSError as error:
        yield fault(
            f"this machine does not answer this check ({error.strerror})",
            "run this as the user that runs the collector",
        )
    except Exception as error:  # noqa: BLE001  # what nobody foresaw must not hide what the others find
        yield fault(f"the check itself failed ({type(error).__name__})", "tell the authors; the other checks stand")


def show(one: Finding) -> None:
    """Prints a finding for a terminal."""
    print(f"{one.status:<8} {one.check:<14} {one.what}", flush=True)
    if one.remedy:
        print(f"{'':<23} -> {one.remedy}")
