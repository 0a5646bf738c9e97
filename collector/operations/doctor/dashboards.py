"""The check of the dashboards' role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.finding import ok, skipped, warning
from collector.store.database.connection import scalar
from collector.store.schema import reader_role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation

PASSWORD = f"\\password {reader_role.ROLE} in psql, as an administrator; the same password into Grafana's data source"


def role(installation: Installation) -> Iterator[Finding]:
    """Check that the role exists, may read what panels show and nothing else, and can log in."""
    with installation.database() as connection:
        if scalar(connection, "SELECT to_regclass('mail_events')") is None:
            yield skipped("no tables yet")
            return
        faults = reader_role.faults_of(connection)
        can_log_in, has_password = reader_role.may_log_in(connection)
    for one in faults:
        yield warning(f"Grafana's panels lack something: {one}", one.advice)
    if reader_role.ReaderFault.MISSING in faults:
        return
    if not can_log_in:
        yield warning(f"{reader_role.ROLE} may not log in", f"ALTER ROLE {reader_role.ROLE} LOGIN, as an administrator")
    elif has_password is False:
        yield warning(f"{reader_role.ROLE} has no password: Grafana cannot log in with one", PASSWORD)
    elif not faults:
        seen = "has a password" if has_password else f"its password is not for this role to see ({PASSWORD})"
        yield ok(f"{reader_role.ROLE} may read what panels show; {seen}")
