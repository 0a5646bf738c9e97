"""The exporter's settings: typed and checked, with all faults reported together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from duckwatch.base.config import loading
from exporters.dnsbl.config.model import DnsblSettings, Settings
from exporters.dnsbl.config.sources import SettingsFileWatch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["DnsblSettings", "Settings", "SettingsFileWatch", "load"]


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of `path` (None: defaults) with `environ` over them. Raise ConfigError with every fault."""
    return loading.load(Settings, path, environ).settings
