"""The exporter's settings: typed, read once, all faults reported together."""

from exporters.dnsbl.config.loading import load
from exporters.dnsbl.config.model import Dnsbl, Settings
from exporters.dnsbl.config.sources import Sources
from exporters.dnsbl.config.units import Endpoint, format_duration

__all__ = ["Dnsbl", "Endpoint", "Settings", "Sources", "format_duration", "load"]
