"""`python -m release`: the command line of a release."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from release import artefacts, licences
from release.audit import audit
from release.commands import ROOT, CommandError


def main() -> int:
    """Run a command and return its exit code: 1 if it failed, or if `audit` found a vulnerability."""
    parser = argparse.ArgumentParser(prog="python -m release", description="Builds a release, and what belongs to it.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="write the files of a release")
    build.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR", help="default: dist")
    asking = commands.add_parser("audit", help="ask for known vulnerabilities of the dependencies")
    asking.add_argument("--strict", action="store_true", help="fail also if a service is not reached")
    commands.add_parser("licences", help="write docs/licences.md")
    options = parser.parse_args()
    try:
        if options.command == "audit":
            return audit(is_strict=options.strict)
        if options.command == "licences":
            licences.PAGE.write_text(licences.page(), encoding="utf-8")
            return 0
        for path in artefacts.build(options.output.resolve()):
            print(os.path.relpath(path))
    except (CommandError, artefacts.ReleaseError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
