"""The errors of a server that is not installed. The fixtures turn them into a skip, and in CI into a failure."""

from __future__ import annotations


class MissingServerError(Exception):
    """A server that a test needs is not installed. The message says what to do."""


class MissingGrafanaError(MissingServerError):
    """There is no Grafana. Its tests skip in CI too, because no package registry has it."""
