"""The installed command `duckwatch-dashboards`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from duckwatch.base import extras

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Run the command line; return its exit code."""
    return extras.start("dashboards", _program)


def _program() -> Callable[[], int]:
    from grafana.__main__ import main as run  # noqa: PLC0415 - its packages may be missing

    return run
