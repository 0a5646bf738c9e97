"""`duckwatch-dnsbl`: the command line. Nothing else reads arguments or the environment."""

from __future__ import annotations

from duckwatch.base import early

if __name__ == "__main__":
    early.install()

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duckwatch.base import health, logs, output
from duckwatch.base.config.document import MARKED, begins_with_mark
from duckwatch.base.errors import ConfigError, StartError
from exporters.dnsbl import app
from exporters.dnsbl.commands import probe
from exporters.dnsbl.commands.health import HEALTH
from exporters.dnsbl.planning.plan_loading import read_configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "duckwatch-dnsbl"
RUN = f"{PROGRAM} --config /etc/duckwatch.yml"
EPILOG = "example:\n  {examples}\n\nexit codes: {codes}\ndocumentation: docs/dnsbl.md, docs/configuration.md"

EXIT_FAILED = 1
EXIT_CONFIG = 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description=(
            "Asks DNS block lists about your addresses and domains, and shows the verdicts as metrics and on a page."
        ),
        epilog=EPILOG.format(
            examples=f"{RUN} check-config\n  {RUN} probe 192.0.2.1\n  {RUN} serve",
            codes="0 well, 1 failed, 2 wrong configuration",
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument(
        "--config", type=Path, metavar="FILE", help="duckwatch.yml; without it, the environment and defaults"
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {version('duckwatch')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    _add(commands, "serve", "run the exporter (the default)", "serve", "0 stopped by a signal, 1 cannot start")
    ask = _add(
        commands,
        "probe",
        "ask every configured list about one target, now",
        "probe mail.example.com",
        "0 listed nowhere, 1 listed, 3 no list gave a verdict, 4 some lists gave none, or a name does not resolve",
    )
    ask.add_argument("target", metavar="TARGET", help="an address, a small range, a host name or a domain")
    _add(
        commands,
        "check-config",
        "read the configuration, name every fault, and warn of probable mistakes; ask no server",
        "check-config",
        "0 good",
    )
    health.add_arguments(
        _add(commands, health.WORD, health.describe(HEALTH), health.WORD, "0 alive, 1 no answer"), HEALTH
    )
    return top


def _add(commands: Any, name: str, what: str, example: str, codes: str) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse has no name for it
    """Add a command. `example` is the part of the example's command line after the program and its configuration."""
    one: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=EPILOG.format(examples=f"{RUN} {example}", codes=f"{codes}, 2 wrong configuration or command line"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Most people type --config after the command. SUPPRESS keeps a value that was given before the command.
    one.add_argument("--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="duckwatch.yml")
    return one


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Return its exit code: 1 the command failed, 2 the configuration or the command line is wrong."""
    return output.guarded(PROGRAM, lambda: command(arguments))


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
