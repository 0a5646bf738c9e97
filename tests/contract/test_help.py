"""`--help` of every program and command: description, a working example, exit codes, documentation."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector import arguments as collector
from duckwatch.demo import __main__ as demo
from exporters.dnsbl import __main__ as dnsbl
from grafana import __main__ as dashboards

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from commands(one)


PROGRAMS = {one.prog: one for one in (collector.parser(), dnsbl.parser(), dashboards._parser(), demo.parser())}
ALL = [(program, one) for program in PROGRAMS.values() for one in commands(program)]


@pytest.mark.parametrize(("program", "command"), ALL, ids=[one.prog for _, one in ALL])
def test_each_command_has_help_with_an_example_that_it_takes(
    program: argparse.ArgumentParser, command: argparse.ArgumentParser
) -> None:
    """The program's parser accepts each example, and each document exists."""
    shown = command.format_help()
    assert command.description
    assert "\nexit codes: " in shown
    _, _, documents = shown.partition("\ndocumentation: ")
    assert documents
    assert all((ROOT / name).is_file() for name in documents.strip().split(", "))
    examples = shown.partition("\nexample:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    for example in examples:
        name, *words = shlex.split(example)
        assert name == program.prog
        program.parse_args(words)
        assert set(command.prog.split()[1:]) <= set(words)
