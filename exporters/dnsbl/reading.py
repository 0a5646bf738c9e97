"""From settings to the plan, with the files that they name: at start, at every reload, and for `check-config`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporters.dnsbl import plan, target_files
from exporters.dnsbl.config import load
from exporters.dnsbl.errors import ConfigError, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from exporters.dnsbl.config import Dnsbl
    from exporters.dnsbl.plan import Plan


@dataclass(frozen=True)
class World:
    """A configuration that holds: its settings and what they ask for."""

    settings: Dnsbl
    plan: Plan


def read_world(path: Path | None, environ: Mapping[str, str]) -> World:
    """Raises ConfigError with every fault."""
    settings = load(path, environ).dnsbl
    return World(settings, plan_of(settings))


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
