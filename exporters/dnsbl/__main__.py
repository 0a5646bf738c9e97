"""`duckwatch-dnsbl`: the command line. Nothing else reads arguments or the environment."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from exporters.dnsbl import app, logs, output
from exporters.dnsbl.commands import probe
from exporters.dnsbl.errors import ConfigError, StartError
from exporters.dnsbl.reading import read_world

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_FAILED = 1
EXIT_CONFIG = 2


def parser() -> argparse.ArgumentParser:
    """Returns the command line's grammar."""
    top = argparse.ArgumentParser(prog="duckwatch-dnsbl", description=__doc__)
    top.add_argument(
        "--config", type=Path, metavar="FILE", help="duckwatch.yml; without it, the environment and defaults"
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {version('duckwatch')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="run the exporter (the default)")
    ask = commands.add_parser(
        "probe", help="ask the lists now; exit 1 when listed, 3 when none gave a verdict, 4 when some did not"
    )
    ask.add_argument("target", metavar="TARGET", help="an address, a small range, a host name or a domain")
    commands.add_parser(
        "check-config",
        help="read the configuration, name every fault, and exit 2 if there is one; warn of probable mistakes",
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 1 it failed, 2 the configuration or the command line is wrong."""
    return output.guarded("duckwatch-dnsbl", lambda: command(arguments))


def command(arguments: Sequence[str] | None) -> int:
    """As `main`. Raises OSError when the output cannot be written."""
    options = parser().parse_args(arguments)
    try:
        return run(options)
    except ConfigError as error:
        for fault in error.faults:
            output.complain(f"{fault.key}: {fault.problem}")
        return EXIT_CONFIG
    except StartError as error:
        output.complain(str(error))
        return EXIT_FAILED


def run(options: argparse.Namespace) -> int:
    """Runs the command that the options name."""
    if options.command == "probe":
        world = read_world(options.config, os.environ)
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")  # no-color.org
        return probe.run(world.settings, world.plan, options.target, colour=colour)
    if options.command == "check-config":
        world = read_world(options.config, os.environ)
        plan = world.plan
        for warning in world.warnings:
            print(f"warning: {warning.key}: {warning.problem}", file=sys.stderr)
        print(
            f"the configuration is good: {len(plan.targets)} targets, {len(plan.hosts)} host names, {len(plan.lists)} lists"
        )
        return 0
    logs.configure()
    app.serve(options.config)
    return 0


if __name__ == "__main__":
    sys.exit(main())
