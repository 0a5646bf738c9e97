"""The installed command `duckwatch-collector`. It handles signals before the rest of the program is imported."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from duckwatch.base import early, extras

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Run the command line; return its exit code."""
    if sys.argv[1:2] == ["health"]:
        from collector.commands.health import HEALTH  # noqa: PLC0415
        from duckwatch.base import health  # noqa: PLC0415 - only this command needs it

        return health.main(HEALTH, sys.argv[2:])
    early.install()
    return extras.start("collector", _program)


def _program() -> Callable[[], int]:
    from collector.__main__ import main as run  # noqa: PLC0415 - the import takes long

    return run
