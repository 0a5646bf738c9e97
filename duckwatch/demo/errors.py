"""What can stop the demo, in one line for its user."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot go on: the message says what is wrong and what helps."""


class StoppedError(Exception):
    """The user stopped the demo before it was ready, or wanted it ended at once."""
