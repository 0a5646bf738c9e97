"""The collector's settings: typed, read once, all faults reported together."""

from collector.config.files import SettingsFiles
from collector.config.loading import load
from collector.config.model import Collector, Settings, SubjectPolicy
from collector.config.units import Listen, Listens, format_duration, format_size

__all__ = [
    "Collector",
    "Listen",
    "Listens",
    "Settings",
    "SettingsFiles",
    "SubjectPolicy",
    "format_duration",
    "format_size",
    "load",
]
