"""The fenced blocks of every Markdown file, and the marks of those that no test runs.

A block that no test can run has a comment on the line before it: `<!-- not run: needs a container engine -->`.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).parents[2]
HISTORY: Final = "CHANGELOG.md"
"""It tells of files and commands that are gone."""

REASONS: Final = frozenset(
    {
        "needs a container engine",
        "needs a Kubernetes cluster",
        "needs a Grafana",
        "downloads packages",
        "runs for minutes",
        "needs a program that the tests do not have",
    }
)
"""What a mark may say. A command that only needs root, systemd or a database is run."""

SHELL: Final = "sh"
SEEN: Final = "text"
"""The language of a block that nobody pastes: a picture, or what a command prints."""

WHOLE_PAGES: Final = {"docs/backup.md": "tests/integration/backup"}
"""Pages whose commands other tests run, step by step, and those tests."""

MARK: Final = re.compile(r"<!-- not run: (.+?) -->\s*")
_taken: set[tuple[str, str]] = set()


class Block(NamedTuple):
    """A fenced block: its file, its first line's number, its language, its text, the reason of its mark or None."""

    page: str
    line: int
    language: str
    text: str
    reason: str | None

    @property
    def name(self) -> str:
        """The place, for messages and test ids."""
        return f"{self.page}:{self.line}"


def read(page: str, text: str) -> list[Block]:
    """Return the blocks of a document. One that is indented, instead of fenced, has no language."""
    found: list[Block] = []
    reason = None
    for token in MarkdownIt("commonmark").parse(text):
        if token.type in ("fence", "code_block"):
            first = 0 if token.map is None else token.map[0] + 1
            found.append(Block(page, first, token.info.strip(), token.content, reason))
        mark = MARK.fullmatch(token.content) if token.type == "html_block" else None
        reason = None if mark is None else mark[1]
    return found


@cache
def blocks() -> tuple[Block, ...]:
    """Return the blocks of every Markdown file that git tracks or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    pages = sorted({page for page in listed if page and page != HISTORY and (ROOT / page).exists()})
    return tuple(block for page in pages for block in read(page, (ROOT / page).read_text(encoding="utf-8")))


def of(*languages: str) -> list[Block]:
    """Return the blocks of these languages, one of each text."""
    return list({block.text: block for block in reversed(blocks()) if block.language in languages}.values())[::-1]


def pasted(*lines: str, language: str = SHELL) -> Block:
    """Return the block that has these lines, for the test that runs it. Its page and its place do not matter.

    Of several such blocks, it is the one that has no other line. Raise LookupError if there is not exactly one.
    """
    found = [block for block in of(language) if set(lines) <= set(block.text.splitlines())]
    found = [block for block in found if block.text.splitlines() == list(lines)] or found
    if len(found) != 1:
        raise LookupError(f"{len(found)} blocks have the lines {lines}: {[block.name for block in found]}")
    _taken.add((language, found[0].text))
    return found[0]


def is_taken(block: Block) -> bool:
    """Return True when a test has asked for the block with `pasted`, or runs its page."""
    return (block.language, block.text) in _taken or block.page in WHOLE_PAGES
