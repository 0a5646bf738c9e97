"""The parser of a program's command line: commands with an example and exit codes, and `--config` on either side."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = "example:\n  {examples}\n\nexit codes: {codes}\ndocumentation: {documentation}, docs/configuration.md"


class Program(NamedTuple):
    """A program with commands: its name, a sentence about it, and the document that describes the commands."""

    name: str
    purpose: str
    documentation: str

    def parser(self, examples: Sequence[str], codes: str) -> tuple[argparse.ArgumentParser, Any]:
        """Return the parser, and its list of commands for `add`."""
        top = argparse.ArgumentParser(
            prog=self.name,
            description=self.purpose,
            epilog=self._epilog(examples, codes),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        top.add_argument(
            "--config", type=Path, metavar="FILE", help="duckwatch.yml; without it, the environment and defaults"
        )
        top.add_argument("--version", action="version", version=f"%(prog)s {version('duckwatch')}")
        return top, top.add_subparsers(dest="command", metavar="COMMAND")

    def add(self, commands: Any, name: str, what: str, example: str, codes: str) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse has no name for it
        """Add a command. `example` is the text behind the program's name and `--config`."""
        one: argparse.ArgumentParser = commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=self._epilog([example], f"{codes}, 2 wrong configuration or command line"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # Also accepted behind the command, where most people type it. If it is missing there, the value before the
        # command stays.
        one.add_argument("--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="duckwatch.yml")
        return one

    def _epilog(self, examples: Sequence[str], codes: str) -> str:
        lines = "\n  ".join(f"{self.name} --config /etc/duckwatch.yml {example}" for example in examples)
        return _EPILOG.format(examples=lines, codes=codes, documentation=self.documentation)
