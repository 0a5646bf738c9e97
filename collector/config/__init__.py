"""The collector's settings: typed, read once, all faults reported together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.config.files import SettingsFiles
from collector.config.model import CollectorSettings, Settings, SubjectPolicy
from duckwatch.base.config import loading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["CollectorSettings", "Settings", "SettingsFiles", "SubjectPolicy", "load"]


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of `path` (None: defaults) with `environ` over them. Raise ConfigError with every fault."""
    return loading.load(Settings, path, environ).settings
