"""Build the plan from the settings and the target files that they name, at start, at a reload and in `check-config`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from duckwatch.base.errors import ConfigError, Fault
from exporters.dnsbl.config import load
from exporters.dnsbl.planning import plan, target_files
from exporters.dnsbl.planning.cautions import cautions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from exporters.dnsbl.config import DnsblSettings
    from exporters.dnsbl.planning.plan import Plan


@dataclass(frozen=True)
class Configuration:
    """A valid configuration: the settings, and the plan built from them."""

    settings: DnsblSettings
    plan: Plan
    warnings: tuple[Fault, ...] = ()
    """Settings that are valid but probably mistakes."""


def read_configuration(path: Path | None, environ: Mapping[str, str]) -> Configuration:
    """Return the configuration of the file and the environment. Raise ConfigError with every fault."""
    return world_of(load(path, environ).dnsbl)


def plan_of(settings: DnsblSettings) -> Plan:
    """Return the plan of these settings. Raise ConfigError with every fault of the target files and the plan."""
    return world_of(settings).plan


def world_of(settings: DnsblSettings) -> Configuration:
    """Return the settings with their plan, target files read. Raise ConfigError with every fault of both."""
    faults: list[Fault] = []
    warnings: list[Fault] = []
    from_files = target_files.read_target_files(settings.target_files, faults, warnings)
    try:
        made = plan.build(settings, from_files)
    except ConfigError as error:
        raise ConfigError(faults + error.faults) from None
    if faults:
        raise ConfigError(faults)
    warnings += cautions(settings, made, [*plan.written(settings), *from_files])
    return Configuration(settings, made, tuple(warnings))
