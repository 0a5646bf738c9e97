"""The command line of the alert rules: `duckwatch-rules build|check`. Only this module reads arguments."""

from __future__ import annotations

import argparse
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from duckwatch.base import output
from duckwatch.base.config.units import parse_duration
from duckwatch.base.selectors import PREFIXES, checked_matchers
from duckwatch.rules.adapt import Adaptation, adapted, worded
from duckwatch.rules.generate import check_names, rendered
from duckwatch.rules.kubernetes import checked_namespace, label_problem, prometheus_rule
from duckwatch.rules.pack import RULES, dump, flat, other_files, rule_files
from duckwatch.rules.placeholders import GRAFANA, RUNBOOK, left_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PROGRAM = "duckwatch-rules"
_LABEL = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
SEVERITIES = ("critical", "warning", "info")
EPILOG = (
    "example:\n  duckwatch-rules build --output rules --runbook-url https://wiki.example.com/duckwatch "
    "--grafana-url https://grafana.example.com\n\n"
    "exit codes: 0 done; 1 something is left to do; 2 a folder or an option that cannot be used\n"
    "documentation: docs/alerting.md"
)
OK, LEFT, CANNOT = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0; 1 if `check` finds something; 2 if a folder cannot be used."""
    return output.guarded(PROGRAM, lambda: command(argv))


def command(argv: Sequence[str] | None) -> int:
    """Run one command and return the exit code, as `main` does. Raise OSError if standard output cannot be written."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "check":
            return _check(arguments.directory)
        texts = _texts(arguments)
        for path, text in texts.items():
            place = arguments.output / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{place}\n")
    except (ValueError, yaml.YAMLError) as error:
        output.complain(f"{PROGRAM}: {error}")
        return CANNOT
    except OSError as error:
        if error.filename is None:  # standard output
            raise
        output.complain(f"{PROGRAM}: {error}")
        return CANNOT
    return OK


def _texts(arguments: argparse.Namespace) -> Mapping[str, str]:
    """Return the text of each file to write, by its path below the output folder."""
    adaptation = Adaptation(
        runbook_url=arguments.runbook_url,
        grafana_url=arguments.grafana_url.rstrip("/"),
        severities=dict(arguments.severity),
        labels=dict(arguments.label),
        jobs=dict(arguments.job),
        faster=arguments.faster,
        scrape_interval=arguments.scrape_interval,
    )
    documents = {path: adapted(document, adaptation) for path, document in rule_files().items()}
    if arguments.form == "prometheusrule":
        labels = dict(arguments.resource_label)
        return {
            flat(path): prometheus_rule(path, document, labels, arguments.namespace)
            for path, document in documents.items()
        }
    others = {path: worded(text, adaptation) for path, text in other_files().items()}
    shipped = rule_files()
    same = {path: (RULES / path).read_text(encoding="utf-8") for path in shipped if documents[path] == shipped[path]}
    return {path: same.get(path) or dump(document) for path, document in documents.items()} | others


def _check(directory: Path) -> int:
    """Print what is left to do in a folder of rule files. Return the exit code.

    Raise ValueError if the names in thresholds.yml are not those that its rules compare with.
    """
    if directory == RULES:  # only the shipped files are as they were generated, and only they may have placeholders
        found = [
            f"{path}: is not what the rules and thresholds.yml ask for: run `make generate`"
            for path, text in rendered().items()
            if text != (directory / path).read_text(encoding="utf-8")
        ]
    else:
        check_names(directory)
        texts = {path: (directory / path).read_text(encoding="utf-8") for path in rule_files(directory)}
        texts |= other_files(directory)
        found = [f"{place}: a placeholder was left in" for place in left_in(texts)]
    sys.stdout.writelines(f"{line}\n" for line in found)
    return LEFT if found else OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Copies the alert rules of duckwatch, adapted to a house.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('duckwatch')}")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="write adapted copies of the rules, templates and runbook into a folder")
    build.add_argument("--output", type=Path, metavar="DIR", default=Path("alert-rules"), help="default: alert-rules")
    build.add_argument("--as", dest="form", choices=["files", "prometheusrule"], default="files")
    build.add_argument("--runbook-url", metavar="URL", default=RUNBOOK, help="where your team reads runbook.md")
    build.add_argument("--grafana-url", metavar="URL", default=GRAFANA, help="your Grafana")
    _add_pairs(build, "--severity", "another word for critical, warning or info, as critical=page", SEVERITIES)
    _add_pairs(build, "--label", "a label added to each alert, as environment=production", check=_label_problem)
    programs = tuple(PREFIXES.values())
    _add_pairs(
        build, "--job", 'matchers for a program\'s metrics, as collector=job="mail"', programs, _matchers_problem
    )
    text = "a label of each PrometheusRule, as release=kube-prometheus-stack"
    _add_pairs(build, "--resource-label", text, check=label_problem)
    build.add_argument("--namespace", type=_namespace, metavar="NAME", help="namespace of each PrometheusRule")
    build.add_argument("--faster", type=_factor, default=1, metavar="N", help="divide each time by N, for a trial")
    build.add_argument(
        "--scrape-interval",
        type=parse_duration,
        default=parse_duration("15s"),
        metavar="TIME",
        help="with --faster: no time is shorter than four of these; default: 15s",
    )
    check = commands.add_parser("check", help="exit 1 and name each placeholder and each file that is out of date")
    check.add_argument(
        "directory", type=Path, nargs="?", default=RULES, metavar="DIR", help="default: the shipped rules"
    )
    return parser


def _label_problem(name: str, value: str) -> str:
    """Return what Prometheus would refuse of a label, or ""."""
    if not _LABEL.fullmatch(name):
        return "NAME must be the name of a label of Prometheus: letters, digits and _, and no __ in front"
    return "VALUE must be text in UTF-8" if any("\ud800" <= one <= "\udfff" for one in value) else ""


def _matchers_problem(name: str, value: str) -> str:
    """Return what is wrong with the matchers of a program, or ""."""
    del name
    try:
        checked_matchers(value)
    except ValueError as error:
        return f"VALUE {error}"
    return ""


def _add_pairs(
    parser: argparse.ArgumentParser,
    flag: str,
    text: str,
    names: Sequence[str] = (),
    check: Callable[[str, str], str] | None = None,
) -> None:
    def pair(given: str) -> Sequence[str]:
        name, is_there, value = given.partition("=")
        if not is_there or not name or not value or (names and name not in names):
            raise argparse.ArgumentTypeError(
                "must be NAME=VALUE" + (f" with NAME of {', '.join(names)}" if names else "")
            )
        if check is not None and (problem := check(name, value)):
            raise argparse.ArgumentTypeError(problem)
        return name, value

    parser.add_argument(flag, action="append", default=[], type=pair, metavar="NAME=VALUE", help=text)


def _namespace(text: str) -> str:
    try:
        return checked_namespace(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _factor(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 1000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
