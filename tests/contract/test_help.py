"""`--help` of every program and command: description, a working example, exit codes, documentation.

And the commands that a document has within a sentence.
"""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from collector import arguments as collector
from duckwatch.demo import __main__ as demo
from duckwatch.rules import __main__ as rules
from exporters.dnsbl import __main__ as dnsbl
from grafana import __main__ as dashboards
from tests.contract.test_documents import HISTORY, PAGES

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


def inline_commands() -> list[tuple[str, str]]:
    """Return the page and the text of each command of ours that is in a sentence, each once, its options included.

    --help and --version are left out: they end a parser.
    """
    reader = MarkdownIt("commonmark").enable("table")
    found = [
        (page.name, code.content.replace("[", "").replace("]", ""))
        for page in PAGES
        if page != HISTORY
        for token in reader.parse(page.read_text(encoding="utf-8"))
        for code in token.children or []
        if code.type == "code_inline" and re.match(r"duckwatch-\w+ (?!.*--(?:help|version)$)", code.content)
    ]
    return sorted(set(found))


@pytest.mark.parametrize(("page", "command"), inline_commands())
def test_a_command_in_a_sentence_is_one_that_the_program_takes(page: str, command: str) -> None:
    """Its parser accepts the words, with the placeholders as they are; else it ends with an error."""
    name, *words = shlex.split(command)
    parser = (PROGRAMS | {"duckwatch-rules": rules._parser()})[name]
    parser.parse_args(words)
