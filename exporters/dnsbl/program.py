"""The entry point `duckwatch-dnsbl`. It installs signal handlers before it imports the rest of the program."""

from __future__ import annotations

from duckwatch.base import early


def main() -> int:
    """Run the command line; return its exit code."""
    early.install()
    from exporters.dnsbl.__main__ import main as run  # noqa: PLC0415 - a slow import

    return run()
