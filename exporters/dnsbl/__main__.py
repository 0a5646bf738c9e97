"""`duckwatch-dnsbl`: the command line. Nothing else reads arguments or the environment."""

from __future__ import annotations

from duckwatch.base import early

if __name__ == "__main__":
    early.install()

import os
import sys
from typing import TYPE_CHECKING

from duckwatch.base import health, logs, output
from duckwatch.base.command_line import Program
from duckwatch.base.config.document import MARKED, begins_with_mark
from duckwatch.base.errors import ConfigError, StartError
from exporters.dnsbl import app
from exporters.dnsbl.commands import probe
from exporters.dnsbl.commands.health import HEALTH
from exporters.dnsbl.planning.plan_loading import read_configuration

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

PROGRAM = Program(
    "duckwatch-dnsbl",
    "Asks DNS block lists about your addresses and domains, and shows the verdicts as metrics and on a page.",
    "docs/dnsbl.md",
)

EXIT_FAILED = 1
EXIT_CONFIG = 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top, commands = PROGRAM.parser(
        ["check-config", "probe 192.0.2.1", "serve"], "0 well, 1 failed, 2 wrong configuration"
    )
    PROGRAM.add(commands, "serve", "run the exporter (the default)", "serve", "0 stopped by a signal, 1 cannot start")
    ask = PROGRAM.add(
        commands,
        "probe",
        "ask every configured list about one target, now",
        "probe mail.example.com",
        "0 listed nowhere, 1 listed, 3 no list gave a verdict, 4 some lists gave none, or a name does not resolve",
    )
    ask.add_argument("target", metavar="TARGET", help="an address, a small range, a host name or a domain")
    PROGRAM.add(
        commands,
        "check-config",
        "read the configuration, name every fault, and warn of probable mistakes; ask no server",
        "check-config",
        "0 good",
    )
    asked = PROGRAM.add(commands, health.WORD, health.describe(HEALTH), health.WORD, "0 alive, 1 no answer")
    health.add_arguments(asked, HEALTH)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Return its exit code: 1 the command failed, 2 the configuration or the command line is wrong."""
    return output.guarded(PROGRAM.name, lambda: command(arguments))


def command(arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit code. Raise OSError when the output cannot be written."""
    options = parser().parse_args(arguments)
    if options.command not in (None, "serve"):
        early.release()
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
    """Run the command that the options name."""
    if options.command == health.WORD:
        return health.ask(HEALTH, options.url)
    if options.command == "probe":
        configuration = read_configuration(options.config, os.environ)
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")  # no-color.org
        return probe.run(configuration.settings, configuration.plan, options.target, colour=colour)
    if options.command == "check-config":
        configuration = read_configuration(options.config, os.environ)
        plan = configuration.plan
        if options.config is not None and begins_with_mark(options.config):
            output.complain(f"{options.config}: {MARKED}")
        for warning in configuration.warnings:
            print(f"warning: {warning.key}: {warning.problem}", file=sys.stderr)
        print(
            f"the configuration is good: {len(plan.targets)} targets, {len(plan.hosts)} host names, "
            f"{len(plan.lists)} lists"
        )
        return 0
    logs.configure("exporters")
    app.serve(options.config)
    return 0


if __name__ == "__main__":
    sys.exit(main())
