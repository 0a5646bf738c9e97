"""Each block of the documents is run or read by a test, or marked with one of the few reasons why not."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.docs import blocks
from tests.docs.blocks import ROOT, Block, read
from tests.docs.formats import OTHERS, READERS

SHELLS = blocks.of(blocks.SHELL)
TAKEN_BY_NAME = blocks.of(blocks.SHELL, "ini")
"""Blocks that a test takes by one of their lines. The others are found by their language."""
COMMAND = re.compile(
    r"^(\$ |sudo |make |docker |curl |cp |install |psql |kubectl |(\.venv/bin/|/\S+/)?duckwatch-\w+ )", re.MULTILINE
)
"""The begin of a line that a reader pastes. What a command prints is indented, or begins otherwise."""

MAKE = re.compile(r"^make ([\w-]+)", re.MULTILINE)
PATH = re.compile(r"(?<![\w./-])((?:alert-rules|deploy|examples|grafana|zonemta-plugin)/[\w./-]+\w)")
MADE = ("deploy/compose/secrets/", "deploy/kubernetes/overlays/production")
"""What a command before it makes."""

USERS = "from tests.docs.blocks import"


def load_the_tests_that_paste() -> None:
    """Import every module of the tests that takes blocks: each names its blocks when it is imported."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if USERS in path.read_text(encoding="utf-8"):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def without_a_test(found: list[Block]) -> list[str]:
    """Return the places of the shell blocks that no test has taken and that have no mark."""
    return [block.name for block in found if not blocks.is_taken(block) and block.reason is None]


def test_every_shell_block_is_run_or_marked() -> None:
    """A block of commands without a test and without a mark fails, and so does one with both."""
    load_the_tests_that_paste()
    assert len(SHELLS) > 40
    assert without_a_test(TAKEN_BY_NAME) == []
    assert [block.name for block in TAKEN_BY_NAME if blocks.is_taken(block) and block.reason is not None] == []


def test_every_other_block_has_a_language_that_a_test_reads() -> None:
    """A block says its language; one that is indented cannot. A language that no test reads needs a mark."""
    known = {blocks.SHELL, blocks.SEEN, *READERS, *OTHERS}
    assert [block.name for block in blocks.blocks() if block.language not in known and block.reason is None] == []


def test_a_picture_holds_no_command() -> None:
    """A command does not escape its test by the language of its block."""
    assert [block.name for block in blocks.of(blocks.SEEN) if COMMAND.search(block.text)] == []


def test_a_mark_gives_one_of_the_reasons() -> None:
    """The list is closed, and each reason is in use."""
    assert {block.reason for block in blocks.blocks()} - {None} == blocks.REASONS


def test_a_mark_is_before_a_block() -> None:
    """A mark that has lost its block, or is no mark for a typing error, is found."""
    for page in sorted({block.page for block in blocks.blocks()}):
        text = (ROOT / page).read_text(encoding="utf-8")
        marks = len(re.findall(r"<!--\s*not", text, re.IGNORECASE))
        assert marks == sum(block.reason is not None for block in read(page, text)), page


@pytest.mark.parametrize("block", [block for block in SHELLS if block.reason], ids=lambda block: block.name)
def test_what_a_marked_block_names_exists(block: Block) -> None:
    """The shell accepts its grammar; its targets of make and its files of the repository exist."""
    subprocess.run(["bash", "-n", "-c", block.text], check=True, timeout=60)
    for target in MAKE.findall(block.text):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True, timeout=60)
    named = [path for path in PATH.findall(block.text) if not path.startswith(MADE)]
    assert [path for path in named if not Path(ROOT, path).exists()] == []


PAGE = """Text.

<!-- not run: needs a Grafana -->
```sh
make pictures
```

- A list.

  <!-- not run: runs for minutes -->

  ```sh
  make crash
  ```

<!-- not run: needs a Grafana -->

A mark is for the next block only.

```sql
SELECT 1
```

    indented
"""


def test_a_mark_belongs_to_the_block_after_it() -> None:
    """A block has the mark before it, in a list too; text between them parts the two."""
    found = read("page.md", PAGE)
    assert [(block.line, block.language, block.reason) for block in found] == [
        (4, "sh", "needs a Grafana"),
        (12, "sh", "runs for minutes"),
        (20, "sql", None),
        (24, "", None),
    ]
    assert found[1].text == "make crash\n"


def test_a_block_that_nobody_takes_is_named() -> None:
    """The search finds a block that was added without a test."""
    load_the_tests_that_paste()
    added = Block("docs/new.md", 7, blocks.SHELL, "rm -r /\n", None)
    assert without_a_test([*TAKEN_BY_NAME, added])[-1:] == ["docs/new.md:7"]
