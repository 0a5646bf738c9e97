"""`duckwatch-collector`: the command line. Nothing else reads arguments or the environment."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from collector import app, logs, output, serving
from collector.commands import doctor, migrate
from collector.config import SettingsFiles
from collector.errors import ConfigError, Fault, StartError, StoreError, WriterFailedError
from collector.events.model import RejectReason
from collector.telemetry import Signals, signals_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.config import Settings

EXIT_FAILED = 1
EXIT_CONFIG = 2


def parser() -> argparse.ArgumentParser:
    """Returns the command line's grammar."""
    top = argparse.ArgumentParser(prog="duckwatch-collector", description=__doc__)
    top.add_argument(
        "--config", type=Path, metavar="FILE", help="duckwatch.yml; without it, the environment and defaults"
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {version('duckwatch')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="run the collector (the default)")
    migration = commands.add_parser("migrate", help="bring the database's schema up to date")
    look = migration.add_mutually_exclusive_group()
    look.add_argument("--dry-run", action="store_true", help="print the SQL that would be run, and run nothing")
    look.add_argument(
        "--status", action="store_true", help="what is applied and what is not; exit 1 if something is not"
    )
    commands.add_parser("check-config", help="read the configuration, name every fault, and exit 2 if there is one")
    examination = commands.add_parser("doctor", help="ask every server, and say what to do about each fault")
    examination.add_argument("--json", action="store_true", help="for a program to read")
    letters = commands.add_parser("dead-letters", help="events that could not be stored")
    verbs = letters.add_subparsers(dest="verb", metavar="VERB", required=True)
    show = verbs.add_parser("list", help="a line for each, without content")
    show.add_argument("--limit", type=at_least_one, default=100, help="so many, oldest first (100)")
    show.add_argument("--reason", type=RejectReason, choices=list(RejectReason))
    verbs.add_parser("show", help="one, whole").add_argument("id")
    for verb, what in (("retry", "store them after all"), ("drop", "delete them")):
        one = verbs.add_parser(verb, help=what)
        which = one.add_mutually_exclusive_group(required=True)
        which.add_argument("id", nargs="*", default=[])
        which.add_argument("--reason", type=RejectReason, choices=list(RejectReason), help="all of this reason")
    subject = commands.add_parser("subject", help="what is kept of one person")
    requests = subject.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, what in (
        ("export", "print every row that names the address"),
        ("forget", "take the address out of every table"),
        ("pseudonym", "print what stands for it with privacy.pseudonymise"),
    ):
        requests.add_parser(verb, help=what).add_argument("address", metavar="ADDRESS")
    return top


def at_least_one(text: str) -> int:
    """Reads a number of the command line. Raises `argparse.ArgumentTypeError`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, at least 1")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 1 it failed, 2 the configuration or the command line is wrong."""
    return output.guarded("duckwatch-collector", lambda: command(arguments))


def command(arguments: Sequence[str] | None) -> int:
    """As `main`. Raises OSError when the output cannot be written."""
    options = parser().parse_args(arguments)
    try:
        files = SettingsFiles(options.config, os.environ)
        return run(options, files, *read(files, os.environ))
    except ConfigError as error:
        for fault in error.faults:
            output.complain(f"{fault.key}: {fault.problem}")
        return EXIT_CONFIG
    except StoreError as error:
        kind = getattr(error, "kind", "bad_row")
        output.complain(f"the database does not answer as it should: {kind} ({error}); `doctor` says more")
        return EXIT_FAILED
    except (StartError, WriterFailedError) as error:
        output.complain(str(error))
        return EXIT_FAILED


def read(files: SettingsFiles, environ: Mapping[str, str]) -> tuple[Settings, Signals | None]:
    """Returns the settings, and the telemetry that is asked for. Raises `ConfigError` with the faults of both."""
    faults: list[Fault] = []
    settings, signals = None, None
    try:
        settings = files.load()
    except ConfigError as error:
        faults += error.faults
    try:
        signals = signals_of(environ)
    except ConfigError as error:
        faults += error.faults
    if settings is None or faults:
        raise ConfigError(faults)
    return settings, signals


def run(options: argparse.Namespace, files: SettingsFiles, settings: Settings, signals: Signals | None) -> int:
    """Runs the command that the options name; `files` is where the settings came from."""
    match options.command:
        case "check-config":
            print("the configuration is good")
            return 0
        case "migrate":
            return migrate.run(settings, dry_run=options.dry_run, status=options.status)
        case "doctor":
            return doctor.run(settings, signals, as_json=options.json)
        case "dead-letters":
            return letters(options, settings)
        case "subject":
            return subject(options, settings)
        case _:
            logs.configure()
            serving.serve(settings, files, signals)
            return 0


def letters(options: argparse.Namespace, settings: Settings) -> int:
    """Runs a verb of `dead-letters`."""
    desk = app.letter_desk(settings)
    match options.verb:
        case "list":
            return desk.list(reason=options.reason, limit=options.limit)
        case "show":
            return desk.show(options.id)
        case "retry":
            return desk.retry(options.id, options.reason)
        case _:
            return desk.drop(options.id, options.reason)


def subject(options: argparse.Namespace, settings: Settings) -> int:
    """Runs a verb of `subject`."""
    desk = app.subject_desk(settings)
    match options.verb:
        case "export":
            return desk.export(options.address)
        case "forget":
            return desk.forget(options.address)
        case _:
            return desk.pseudonym(options.address)


if __name__ == "__main__":
    sys.exit(main())
