"""GELF over UDP and TCP, as Graylog's own input takes it."""

from collector.feeds.gelf.frames import MAX_CONNECTIONS
from collector.feeds.gelf.input import GelfInput

__all__ = ["MAX_CONNECTIONS", "GelfInput"]
