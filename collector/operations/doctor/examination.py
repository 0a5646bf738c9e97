"""The table of checks, and how each check is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import psycopg

from collector.errors import StoreUnavailableError
from collector.finding import Finding, fault, skipped
from collector.operations.doctor import (
    alerting,
    backup_sources,
    connections,
    contexts,
    dashboards,
    database,
    journal,
    obstacles,
    policies,
    rollups,
    schema,
    services,
)
from collector.store.migrations import ForeignTableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from collector.operations.doctor.installation import Installation

    Check = Callable[[Installation], Iterator[Finding]]

CHECKS: Final[Mapping[str, Check]] = {
    "database": database.reachable,
    "tier": database.tier,
    "durability": database.durability,
    "schema": schema.schema,
    "rights": database.rights,
    "obstacles": obstacles.obstacles,
    "policies": policies.policies,
    "rollups": rollups.rollups,
    "clock": database.clock,
    "session": database.session,
    "connections": connections.connections,
    "journal": journal.place,
    "journal room": journal.room,
    "journal fsync": journal.fsync,
    "collector": services.collector,
    "prometheus": services.prometheus,
    "alert rules": alerting.rules,
    "alertmanager": alerting.alertmanager,
    "dashboards": dashboards.role,
    "plugins": services.plugins,
    "contexts": contexts.contexts,
    "clusters": backup_sources.clusters,
    "mongodb": backup_sources.mongodb,
    "gelf": backup_sources.gelf,
    "dead letters": services.dead_letters,
    "telemetry": services.telemetry,
}
"""Every check by its name, in the order shown. A check yields findings; it may raise what `_asked` catches."""


def examine(installation: Installation, checks: Mapping[str, Check] = CHECKS) -> Iterator[Finding]:
    """Yield the findings of all checks, each with its check's name. Raise nothing: a failed check is a finding."""
    for name, check in checks.items():
        for found in _asked(check, installation):
            yield msgspec.structs.replace(found, check=name)


def _asked(check: Check, installation: Installation) -> Iterator[Finding]:
    try:
        yield from check(installation)
    except StoreUnavailableError as error:
        yield skipped(f"the database cannot be reached ({error.word})")
    except ForeignTableError as error:
        yield skipped(f"not asked: {error.what}")
    except psycopg.Error as error:
        # The server's text may quote rows.
        state = error.sqlstate or "the connection was lost"
        yield fault(f"the database does not answer this check ({state})", "the server's log says why")
    except OSError as error:
        yield fault(
            f"this machine does not answer this check ({error.strerror})",
            "run this as the user that runs the collector",
        )
    except Exception as error:  # noqa: BLE001  # an unforeseen error must not hide other findings
        yield fault(
            f"the check itself failed ({type(error).__name__})", "report it to the authors; the other checks are valid"
        )
