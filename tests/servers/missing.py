"""The fault of a server that is not installed: what the fixtures turn into a visible skip, and in CI into a failure."""

from __future__ import annotations


class MissingServerError(Exception):
    """A real server that a test needs is not on this machine; the message says what to do."""
