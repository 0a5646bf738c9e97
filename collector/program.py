"""`duckwatch-collector`, as it is installed: takes signals before the rest of the program is even imported."""

from __future__ import annotations

from duckwatch.base import early


def main() -> int:
    """Run the command line; return its exit code."""
    early.install()
    from collector.__main__ import main as run  # noqa: PLC0415 - it takes a while

    return run()
