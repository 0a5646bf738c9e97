"""From settings to the plan, with the files that they name: at start, at every reload, and for `check-config`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporters.dnsbl import plan, target_files
from exporters.dnsbl.errors import ConfigError, Fault

if TYPE_CHECKING:
    from exporters.dnsbl.config import Dnsbl
    from exporters.dnsbl.plan import Plan


def plan_of(settings: Dnsbl) -> Plan:
    """Raises ConfigError with every fault of target files and plan."""
    faults: list[Fault] = []
    wanted = target_files.read(settings.target_files, faults)
    try:
        made = plan.build(settings, wanted)
    except ConfigError as error:
        raise ConfigError(faults + error.faults) from None
    if faults:
        raise ConfigError(faults)
    return made
