"""The command line of the dashboards: `duckwatch-dashboards build|check`. Nothing else reads argv."""

from __future__ import annotations

import argparse
import errno
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from duckwatch.base import output
from grafana.check import differences
from grafana.generate import GENERATED, write

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = (
    "example:\n  duckwatch-dashboards {example}\n\n"
    "exit codes: 0 done, 1 a difference or a full disk, 2 a folder that cannot be used\ndocumentation: "
    "docs/dashboards.md"
)

OK, DIFFERENT, CANNOT = 0, 1, 2
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0; 1 when `check` finds a difference or a disk is full;
    2 when a folder cannot be used.
    """
    return output.guarded("duckwatch-dashboards", lambda: command(argv))


def command(argv: Sequence[str] | None) -> int:
    """As `main`. Raises OSError when the output cannot be written."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "build":
            return _build(arguments.output)
        return _check(arguments.directory)
    except OSError as error:
        if error.filename is None:  # standard output
            raise
        output.complain(f"duckwatch-dashboards: {error}")
        return DIFFERENT if error.errno in FULL else CANNOT


def _build(output: Path) -> int:
    for path in write(output):
        sys.stdout.write(f"{path}\n")
    return OK


def _check(directory: Path) -> int:
    found = differences(directory)
    sys.stdout.writelines(found)
    if found:
        sys.stdout.write("dashboards differ from the code: run `make generate` and commit\n")
        return DIFFERENT
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="duckwatch-dashboards",
        description="Makes the Grafana dashboards of duckwatch, as JSON that Grafana reads from a folder.",
        epilog=EPILOG.format(example="build --output /var/lib/grafana/dashboards/duckwatch"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('duckwatch')}")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser(
        "build",
        help="write every dashboard as JSON",
        description="Write every dashboard as JSON into a folder, and print the paths.",
        epilog=EPILOG.format(example="build --output /var/lib/grafana/dashboards/duckwatch"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    build.add_argument("--output", type=Path, default=GENERATED, metavar="DIR", help="default: the committed folder")
    check = commands.add_parser(
        "check",
        help="exit 1 with a diff when the committed dashboards are not what the code makes",
        description="Compare the committed dashboards with what the code makes, and print the difference.",
        epilog=EPILOG.format(example="check"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("--directory", type=Path, default=GENERATED, metavar="DIR", help="default: the committed folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
