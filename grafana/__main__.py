"""The command line of the dashboards: `duckwatch-dashboards build|check`. Nothing else reads argv."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from grafana.check import differences
from grafana.generate import GENERATED, write

if TYPE_CHECKING:
    from collections.abc import Sequence

OK, DIFFERENT, CANNOT = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 when `check` finds a difference, 2 when a folder cannot be used."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "build":
            return _build(arguments.output)
        return _check(arguments.directory)
    except OSError as error:
        sys.stderr.write(f"duckwatch-dashboards: {error}\n")
        return CANNOT


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
    parser = argparse.ArgumentParser(prog="duckwatch-dashboards", description="Grafana dashboards as code.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('duckwatch')}")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="write every dashboard as JSON")
    build.add_argument("--output", type=Path, default=GENERATED, metavar="DIR", help="default: the committed folder")
    check = commands.add_parser(
        "check", help="exit 1 with a diff when the committed dashboards are not what the code makes"
    )
    check.add_argument("--directory", type=Path, default=GENERATED, metavar="DIR", help="default: the committed folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
