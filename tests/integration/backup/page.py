"""The commands of docs/backup.md and docs/installation.md, read from the pages: page and test cannot differ."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def section(page: str, heading: str) -> str:
    """Return the text of a section of a page of the documentation. The heading must be there."""
    text = (DOCS / page).read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"docs/{page} has no section {heading!r}"
    return rest.partition("\n## ")[0]


def blocks(page: str, heading: str, language: str) -> list[str]:
    """Return the fenced blocks of a section that are in this language."""
    return [textwrap.dedent(block) for _, name, block in BLOCK.findall(section(page, heading)) if name == language]


def commands(page: str, heading: str) -> list[str]:
    """Return the shell commands of a section, each with its continued lines."""
    return [command for block in blocks(page, heading, "sh") for command in _split(block)]


def _split(block: str) -> Iterator[str]:
    command = ""
    for line in block.splitlines():
        command += f"{line}\n"
        if not line.endswith(("\\", "|", "&&")):
            yield command.strip()
            command = ""
    assert not command, f"the last command has no end: {command}"


def service_command(page: str, heading: str) -> str:
    """Return the command of the service's unit in a section (`ExecStart=`)."""
    [unit] = blocks(page, heading, "ini")
    found = re.search(r"^ExecStart=((?:.*\\\n)*.*)$", unit, re.MULTILINE)
    assert found is not None
    return found[1]
