"""`python -m bench.live [--quick] [--only PART,…]`: measures Grafana Live, prints one JSON object.

The part `delay` needs a Grafana (`GRAFANA_HOME` or `GRAFANA_URL`) and Chromium; the others need neither.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.live import delay, memory, speed
from bench.live.sites import Sites
from duckwatch.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PARTS: Final[dict[str, Callable[[Sites, bool], Awaitable[Any]]]] = {
    "delay": delay.measure,
    "speed": speed.measure,
    "memory": memory.measure,
}


async def measure(folder: Path, parts: list[str], *, is_quick: bool) -> dict[str, Any]:
    """Return the figures of the parts. Raise DemoError when a server does not start."""
    sites = Sites(folder)
    try:
        await sites.start()
        return {part: await PARTS[part](sites, is_quick) for part in parts}
    finally:
        await sites.stop()


def main() -> int:
    """Run the command line. Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small rounds: to see that it runs, not for figures")
    parser.add_argument("--only", metavar="PART,…", help=f"these parts alone: {', '.join(PARTS)}")
    options = parser.parse_args()
    parts = options.only.split(",") if options.only else [*PARTS]
    if unknown := {*parts} - {*PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory(prefix="duckwatch-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # root's PostgreSQL runs as another account, which must enter this folder
        try:
            figures = asyncio.run(measure(folder, parts, is_quick=options.quick))
        except DemoError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
