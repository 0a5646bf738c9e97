"""The entry point `duckwatch-dnsbl`. It installs signal handlers before it imports the rest of the program."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from duckwatch.base import early, extras

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Run the command line; return its exit code."""
    if sys.argv[1:2] == ["health"]:
        from duckwatch.base import health  # noqa: PLC0415 - only this command needs it
        from exporters.dnsbl.commands.health import HEALTH  # noqa: PLC0415

        return health.main(HEALTH, sys.argv[2:])
    early.install()
    return extras.start("dnsbl", _program)


def _program() -> Callable[[], int]:
    from exporters.dnsbl.__main__ import main as run  # noqa: PLC0415 - a slow import

    return run
