"""The parser of the command line `duckwatch-collector`, with its help."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.commands.health import HEALTH
from collector.events.model.event import RejectReason
from duckwatch.base import health
from duckwatch.base.command_line import Program
from duckwatch.base.config.units import parse_duration

if TYPE_CHECKING:
    from datetime import timedelta

PROGRAM = Program(
    "duckwatch-collector",
    "Takes ZoneMTA's delivery events, keeps them on disk until they are in PostgreSQL, and shows them as metrics.",
    "docs/operations.md",
)
_add = PROGRAM.add


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with its help."""
    top, commands = PROGRAM.parser(
        ["check-config", "doctor", "serve"], "0 well, 1 failed or a fault found, 2 wrong configuration"
    )
    _add_serve(commands)
    _add_migrate(commands)
    _add_checks(commands)
    _add_letters(commands)
    _add_journal(commands)
    _add_subject(commands)
    _add_trace(commands)
    _add_reclassify(commands)
    return top


def _add_serve(commands: Any) -> None:  # noqa: ANN401
    _add(
        commands,
        "serve",
        "run the collector (the default)",
        "serve",
        "0 stopped by a signal, 1 cannot start or the writer failed",
    )


def _add_checks(commands: Any) -> None:  # noqa: ANN401
    """Add the commands that examine an installation."""
    _add(
        commands,
        "check-config",
        "read the configuration and name every fault; ask no server",
        "check-config",
        "0 good",
    )
    examination = _add(
        commands, "doctor", "ask every server, and say what to do about each fault", "doctor", "0 no fault, 1 a fault"
    )
    examination.add_argument("--json", action="store_true", help="for a program to read")
    health.add_arguments(
        _add(commands, health.WORD, health.describe(HEALTH), health.WORD, "0 ready, 1 not ready or no answer"), HEALTH
    )


def _add_migrate(commands: Any) -> None:  # noqa: ANN401
    migration = _add(
        commands,
        "migrate",
        "bring the database's schema up to date (a start does it too)",
        "migrate --status",
        "0 done, 1 failed or not up to date",
    )
    look = migration.add_mutually_exclusive_group()
    look.add_argument("--dry-run", action="store_true", help="print the SQL that would be run, and run nothing")
    look.add_argument(
        "--status", action="store_true", help="what is applied and what is not; exit 1 if something is not"
    )


def _add_letters(commands: Any) -> None:  # noqa: ANN401
    letters = _add(
        commands,
        "dead-letters",
        "look at events that could not be stored, and try them again",
        "dead-letters list",
        "0 done, 1 failed or none found",
    )
    verbs = letters.add_subparsers(dest="verb", metavar="VERB", required=True)
    show = _add(
        verbs,
        "list",
        "print a line for each, without content",
        "dead-letters list --reason bad_row",
        "0 done, 1 failed",
    )
    show.add_argument("--limit", type=at_least_one, metavar="N", default=100, help="at most N, oldest first (100)")
    show.add_argument("--reason", type=RejectReason, choices=list(RejectReason), help="only those of this reason")
    _add(
        verbs, "show", "print one whole, as JSON", "dead-letters show ID", "0 done, 1 no such dead letter"
    ).add_argument("id", metavar="ID", help="as `list` prints it")
    for verb, what in (("retry", "store them after all, once the cause is removed"), ("drop", "delete them")):
        one = _add(
            verbs, verb, what, f"dead-letters {verb} --reason bad_row", "0 done, 1 something is left, or none found"
        )
        which = one.add_mutually_exclusive_group(required=True)
        which.add_argument("id", nargs="*", metavar="ID", default=[], help="as `list` prints it")
        which.add_argument("--reason", type=RejectReason, choices=list(RejectReason), help="all of this reason")


def _add_journal(commands: Any) -> None:  # noqa: ANN401
    journal = _add(
        commands,
        "journal",
        "look at the file in which requests wait for the database",
        "journal check",
        "0 whole, 1 damaged or incomplete",
    )
    verbs = journal.add_subparsers(dest="verb", metavar="VERB", required=True)
    checking = _add(
        verbs,
        "check",
        (
            "say whether the file is whole and how much is in it, and fold its write-ahead log into it, "
            "so that it can be moved"
        ),
        "journal check",
        "0 whole, 1 damaged or incomplete",
    )
    checking.add_argument("file", type=Path, nargs="?", metavar="FILE", help="without it: collector.journal.path")


def _add_subject(commands: Any) -> None:  # noqa: ANN401
    subject = _add(
        commands,
        "subject",
        "show or remove what is kept of one person",
        "subject export someone@example.org",
        "0 done, 1 nothing is kept",
    )
    requests = subject.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, what in (
        ("export", "print every row that names the address, a line of JSON each"),
        ("forget", "take the address out of every table"),
        ("pseudonym", "print the pseudonym of an address, as privacy.pseudonymise stores it"),
    ):
        one = _add(requests, verb, what, f"subject {verb} someone@example.org", "0 done, 1 nothing is kept")
        one.add_argument("address", metavar="ADDRESS")


def _add_trace(commands: Any) -> None:  # noqa: ANN401
    trace = _add(
        commands,
        "trace",
        "print the life of a message, oldest event first; a list of messages where several are found",
        "trace someone@example.org",
        "0 found, 1 nothing was found",
    )
    trace.add_argument(
        "asked",
        metavar="ID|MESSAGE-ID|ADDRESS",
        help="a queue id as in ZoneMTA's log (or ID.SEQ for one recipient), a Message-ID with or without <>, "
        "or the address of a recipient",
    )
    trace.add_argument(
        "--limit", type=at_least_one, metavar="N", default=100, help="at most N events, or N messages of a list (100)"
    )
    trace.add_argument("--json", action="store_true", help="print one JSON document, for a program to read")


def _add_reclassify(commands: Any) -> None:  # noqa: ANN401
    reclassify = _add(
        commands,
        "reclassify",
        "judge stored replies by today's rules, and print what changes; safe to stop and to run again",
        "reclassify --since 30d --dry-run",
        "0 done, 1 failed",
    )
    reclassify.add_argument(
        "--since", type=duration, required=True, metavar="DURATION", help="events that are younger than this, like 30d"
    )
    reclassify.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")


def duration(text: str) -> timedelta:
    """Return the duration of an argument. Raise `argparse.ArgumentTypeError`."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def at_least_one(text: str) -> int:
    """Return the number of an argument, at least 1. Raise `argparse.ArgumentTypeError`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, at least 1")
    return int(text)
