"""The HTTP server: ingest with its limits and credentials, health, and metrics."""

from collector.web.server import HttpServer, build_server

__all__ = ["HttpServer", "build_server"]
