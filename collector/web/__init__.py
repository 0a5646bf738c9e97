"""HTTP: ingest with its limits and credentials, and what tells others how the collector is."""

from collector.web.server import HttpServer, build_server

__all__ = ["HttpServer", "build_server"]
