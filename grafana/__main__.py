"""The command line of the dashboards: `duckwatch-dashboards build|check|push`.

Only this module reads command-line arguments and the environment.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duckwatch.base import output
from duckwatch.base.errors import ConfigError
from grafana.check import file_differences
from grafana.generate import GENERATED, build_all, render, write
from grafana.kubernetes import config_map, operator_resource
from grafana.options import FileForm, add_options, add_push_options, settings_of
from grafana.push.client import GrafanaError
from grafana.push.run import push

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana.config import GrafanaSettings

PROGRAM = "duckwatch-dashboards"
EPILOG = "example:\n  {program} {example}\n\nexit codes: {codes}\ndocumentation: docs/dashboards.md"
BUILD = "build --output /var/lib/grafana/dashboards/duckwatch --title-prefix 'Staging: '"
PUSH = "push --push-url https://grafana.example.com --token-file /run/secrets/grafana-token --dry-run"
CODES = (
    "0 done; 1 a difference, a refused dashboard or a full disk; 2 a folder that cannot be used, or a wrong "
    "configuration; 3 Grafana cannot be used"
)

OK, DIFFERENT, CANNOT, UNUSABLE = 0, 1, 2, 3
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code.

    0; 1 when `check` finds a difference, `push` refuses a dashboard or a disk is full;
    2 when a folder cannot be used or the configuration is wrong; 3 when Grafana cannot be used.
    """
    return output.guarded(PROGRAM, lambda: command(argv))


def command(argv: Sequence[str] | None) -> int:
    """Run one command and return the exit code, as `main` does. Raise OSError if standard output cannot be written."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        settings = settings_of(arguments, os.environ)
        if arguments.command == "check":
            return _check(arguments.directory, settings)
        if arguments.command == "push":
            return OK if push(settings, dry_run=arguments.dry_run) else DIFFERENT
        form = FileForm(arguments.form)
        if form is not FileForm.FILES and arguments.output is None:
            parser.error(f"--as {form.value} needs --output")
        return _build(arguments.output or GENERATED, form, settings)
    except ConfigError as error:
        for fault in error.faults:
            output.complain(f"{fault.key}: {fault.problem}")
        return CANNOT
    except GrafanaError as error:
        output.complain(f"{PROGRAM}: {error}")
        return UNUSABLE
    except OSError as error:
        if error.filename is None:  # standard output
            raise
        output.complain(f"{PROGRAM}: {error}")
        return DIFFERENT if error.errno in FULL else CANNOT


def _build(directory: Path, form: FileForm, settings: GrafanaSettings) -> int:
    for path in write(directory, _texts(form, settings)):
        sys.stdout.write(f"{path}\n")
    return OK


def _texts(form: FileForm, settings: GrafanaSettings) -> Mapping[str, str]:
    """Return the files' names and texts."""
    if form is FileForm.FILES:
        return render(settings.settings())
    written = {FileForm.CONFIGMAP: config_map, FileForm.OPERATOR: operator_resource}[form]
    pages = build_all(settings.settings())
    return {f"{page['uid']}.yaml": written(page, settings) for page in pages.values()}


def _check(directory: Path, settings: GrafanaSettings) -> int:
    found = file_differences(directory, settings.settings())
    sys.stdout.writelines(found)
    if found:
        sys.stdout.write(
            "dashboards differ from the code: run `make generate` and commit, or build this folder again\n"
        )
        return DIFFERENT
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Makes the Grafana dashboards of duckwatch, as JSON that Grafana reads from a folder.",
        epilog=EPILOG.format(program=PROGRAM, example=BUILD, codes=CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('duckwatch')}")
    commands = parser.add_subparsers(dest="command", required=True)
    build = _add(
        commands,
        "build",
        "write every dashboard",
        "Write every dashboard into a folder, and print the paths: as JSON, as Kubernetes ConfigMaps for Grafana's "
        "sidecar, or as resources of the Grafana operator.",
        BUILD,
    )
    build.add_argument("--output", type=Path, metavar="DIR", help="default with --as files: the committed folder")
    build.add_argument(
        "--as", dest="form", choices=[form.value for form in FileForm], default="files", help="default: files"
    )
    check = _add(
        commands,
        "check",
        "exit 1 and name each difference when the committed dashboards are not what the code makes",
        "Compare the committed dashboards with what the code makes, and name each difference: the file, the panel, "
        "the path in it, and the value before and after.",
        "check",
    )
    check.add_argument("--directory", type=Path, default=GENERATED, metavar="DIR", help="default: the committed folder")
    push_ = _add(
        commands,
        "push",
        "upload every dashboard into a running Grafana",
        "Upload every dashboard into a running Grafana, with the token of a service account, and print a line for "
        "each. A dashboard that is as the code makes it is left alone, and so is one of another uid.",
        PUSH,
    )
    add_push_options(push_)
    return parser


def _add(commands: Any, name: str, what: str, description: str, example: str) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse has no name for it
    one: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=description,
        epilog=EPILOG.format(program=PROGRAM, example=example, codes=CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(one.add_argument_group("options of the dashboards (each is a key of the section grafana)"))
    return one


if __name__ == "__main__":
    sys.exit(main())
