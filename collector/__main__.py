"""The program `duckwatch-collector`: runs a command, and gives its exit code. No other module reads the environment."""

from __future__ import annotations

from duckwatch.base import early

if __name__ == "__main__":
    early.install()

import os
import sys
from typing import TYPE_CHECKING

from collector import command_parts, serving
from collector.arguments import PROGRAM, parser
from collector.commands import doctor, journal, migrate
from collector.commands.dead_letters import LetterDesk
from collector.commands.health import HEALTH
from collector.commands.reclassify import ReclassifyDesk
from collector.commands.subject import SubjectDesk
from collector.commands.trace import TraceDesk
from collector.config import SettingsFiles
from collector.errors import StoreError, WriterFailedError
from collector.telemetry import Signals, signals_of
from duckwatch.base import health, logs, output
from duckwatch.base.config.document import MARKED, begins_with_mark
from duckwatch.base.errors import ConfigError, Fault, StartError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from collector.config import Settings

EXIT_FAILED = 1
EXIT_CONFIG = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return the exit code: 1 if it failed, 2 for a wrong configuration or command line."""
    return output.guarded(PROGRAM.name, lambda: command(arguments))


def command(arguments: Sequence[str] | None) -> int:
    """Run a command, and return the exit code as `main` does. Raise OSError if the output cannot be written."""
    options = parser().parse_args(arguments)
    if options.command not in (None, "serve"):
        early.release()
    if options.command == health.WORD:
        return health.ask(HEALTH, options.url)
    try:
        files = SettingsFiles(options.config, os.environ)
        return run(options, files, *read_settings(files, os.environ))
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


def read_settings(files: SettingsFiles, environ: Mapping[str, str]) -> tuple[Settings, Signals | None]:
    """Return the settings, and the telemetry to send (or None). Raise `ConfigError` with the faults of both."""
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
        raise ConfigError(list(dict.fromkeys(faults)))  # one variable may serve several signals
    return settings, signals


def run(  # noqa: PLR0911  # one for each command
    options: argparse.Namespace, files: SettingsFiles, settings: Settings, signals: Signals | None
) -> int:
    """Run the command that the options name. `files` are the files of the settings."""
    match options.command:
        case "check-config":
            if options.config is not None and begins_with_mark(options.config):
                output.complain(f"{options.config}: {MARKED}")
            print("the configuration is good")
            return 0
        case "migrate":
            return migrate.run(settings, dry_run=options.dry_run, status=options.status)
        case "doctor":
            return doctor.run(settings, signals, as_json=options.json)
        case "journal":
            return journal.run(settings, options.file)
        case "dead-letters":
            return letters(options, settings)
        case "subject":
            return subject(options, settings)
        case "trace":
            return TraceDesk(command_parts.traces(settings), command_parts.pseudonyms(settings)).trace(
                options.asked, limit=options.limit, as_json=options.json
            )
        case "reclassify":
            return ReclassifyDesk(command_parts.reclassification(settings)).run(options.since, is_dry=options.dry_run)
        case _:
            logs.configure("collector")
            serving.serve(settings, files, signals)
            return 0


def letters(options: argparse.Namespace, settings: Settings) -> int:
    """Run a verb of `dead-letters`."""
    desk = LetterDesk(command_parts.build_dead_letters(settings))
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
    """Run a verb of `subject`."""
    desk = SubjectDesk(command_parts.subjects(settings))
    match options.verb:
        case "export":
            return desk.export(options.address)
        case "forget":
            return desk.forget(options.address)
        case _:
            return desk.pseudonym(options.address)


if __name__ == "__main__":
    sys.exit(main())
