"""The installed command `duckwatch-collector`. It handles signals before the rest of the program is imported."""

from __future__ import annotations

from duckwatch.base import early


def main() -> int:
    """Run the command line; return its exit code."""
    early.install()
    from collector.__main__ import main as run  # noqa: PLC0415 - the import takes long

    return run()
