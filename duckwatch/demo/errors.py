"""The errors that stop the demo. Each has a message of one line for the user."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot continue. The message says what is wrong and what to do."""


class StoppedError(Exception):
    """The user stopped the demo before it was ready, or asked for an immediate end."""
