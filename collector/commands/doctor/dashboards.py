"""The check of the role with which dashboards read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.commands.doctor.finding import ok, skipped, warning
from collector.store import reader
from collector.store.connection import scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.commands.doctor.finding import Finding
    from collector.commands.doctor.patient import Patient

PASSWORD = f"\\password {reader.ROLE} in psql, as an administrator; the same password into Grafana's data source"


def role(patient: Patient) -> Iterator[Finding]:
    """The role is there, may read what panels show and nothing else, and can log in."""
    with patient.database() as connection:
        if scalar(connection, "SELECT to_regclass('mail_events')") is None:
            yield skipped("no tables yet")
            return
        amiss = reader.faults_of(connection)
        can_log_in, has_password = reader.may_log_in(connection)
    for one in amiss:
        yield warning(f"Grafana's panels lack something: {one}", one.advice)
    if reader.ReaderFault.MISSING in amiss:
        return
    if not can_log_in:
        yield warning(f"{reader.ROLE} may not log in", f"ALTER ROLE {reader.ROLE} LOGIN, as an administrator")
    elif has_password is False:
        yield warning(f"{reader.ROLE} has no password: Grafana cannot log in with one", PASSWORD)
    elif not amiss:
        seen = "has a password" if has_password else f"its password is not for this role to see ({PASSWORD})"
        yield ok(f"{reader.ROLE} may read what panels show; {seen}")
