"""`duckwatch-demo`: the command line of the demo."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from duckwatch.base import output
from duckwatch.demo.errors import DemoError, StoppedError
from duckwatch.demo.run import Options, play
from duckwatch.demo.show import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="duckwatch-demo",
        description=(
            "Runs duckwatch on this machine, to try out: a database, the collector, the DNSBL exporter, "
            "and made-up mail traffic."
        ),
        epilog="example:\n  duckwatch-demo --port 9700 --seconds 60\n\n"
        "exit codes: 0 done, 1 failed, 2 wrong command line, 130 stopped before its end\ndocumentation: README.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {version('duckwatch')}")
    top.add_argument("--seconds", type=_not_negative, metavar="N", help="stop by itself after N seconds")
    top.add_argument(
        "--rate", type=_not_negative, default=10.0, metavar="EVENTS_PER_S", help="how much traffic (10; 0: none)"
    )
    top.add_argument(
        "--history", type=_not_negative, default=24.0, metavar="HOURS", help="hours of past mail to begin with (24)"
    )
    top.add_argument(
        "--port", type=_port, default=9626, metavar="P", help="where the collector listens (9626; 0: a free one)"
    )
    top.add_argument("--data", type=Path, metavar="DIR", help="keep the data there")
    top.add_argument("--json", action="store_true", help="print one line of JSON when ready and one at the end")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo. Return its exit code."""
    return output.guarded("duckwatch-demo", lambda: demonstrate(arguments))


def demonstrate(arguments: Sequence[str] | None) -> int:
    """Run the demo and return its exit code. Raise OSError when the output cannot be written."""
    given = parser().parse_args(arguments)
    options = Options(given.rate, given.seconds, given.port, given.data, given.history)
    try:
        asyncio.run(play(options, random.Random(), Screen(sys.stdout, as_json=given.json)))  # noqa: S311 - made-up mail
    except DemoError as error:
        output.complain(f"duckwatch-demo: {error}")
        return EXIT_FAILED
    except (StoppedError, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    return 0


def _not_negative(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < 1e6:
            return float(text)
    raise argparse.ArgumentTypeError("must be a number from 0 up")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError("must be a port, 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
