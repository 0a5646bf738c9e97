"""The GELF input, over UDP and TCP as Graylog's own input has it."""

from collector.feeds.gelf.frames import MAX_CONNECTIONS
from collector.feeds.gelf.input import GelfInput

__all__ = ["MAX_CONNECTIONS", "GelfInput"]
