"""The check of the ZoneMTA contexts in which the plugin is loaded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from collector.finding import fault, ok, printable, skipped
from collector.store.database.connection import scalar
from collector.store.lookups.plugin_contexts import plugin_contexts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation

NEEDED: Final = {
    "receiver": "what is queued and refused",
    "sender": "what is delivered, deferred and bounced",
    "main": "what a process that died has left in its spool",
}
"""The contexts, and the events that only each of them sees (zonemta-plugin/README.md)."""

MOST_HOSTS: Final = 20


def contexts(installation: Installation) -> Iterator[Finding]:
    """Check that each host has the plugin in all three kinds of ZoneMTA's processes."""
    with installation.database() as connection:
        if scalar(connection, "SELECT to_regclass('plugin_reports')") is None:
            yield skipped("no tables yet")
            return
        found = plugin_contexts(connection)
    hosts = {printable(f"{host} ({cluster})"): named for (cluster, host), named in found.items()}
    lacking = {name: [one for one in NEEDED if one not in named] for name, named in hosts.items()}
    for name, missing in [(name, missing) for name, missing in lacking.items() if missing][:MOST_HOSTS]:
        yield fault(
            f"{name} has the plugin in {', '.join(sorted(hosts[name]))} only: "
            f"{'; '.join(NEEDED[one] for one in missing)} is not seen",
            f"enabled = {json.dumps([*NEEDED])} in the plugin's section of ZoneMTA's configuration, and restart "
            "ZoneMTA",
        )
    if not hosts:
        yield skipped("no plugin has reported its contexts within five minutes")
    elif not any(lacking.values()):
        yield ok(f"{len(hosts)} hosts have the plugin in {', '.join(NEEDED)}")
