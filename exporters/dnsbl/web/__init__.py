"""HTTP: `/metrics`, `/probe`, the page for people, `/healthz`."""

from exporters.dnsbl.web.probe import Prober
from exporters.dnsbl.web.server import WebServer

__all__ = ["Prober", "WebServer"]
