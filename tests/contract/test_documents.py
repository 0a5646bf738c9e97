"""Every document is linked, every link works, and every file that a document names exists."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from duckwatch.demo.show import RunAddresses, Screen

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [
    *DOCS,
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
    ROOT / "zonemta-plugin" / "README.md",
    ROOT / "alert-rules" / "runbook.md",
]
HISTORY = ROOT / "CHANGELOG.md"
"""It names deleted files."""
ROOTS = "collector|duckwatch|exporters|grafana|alert-rules|docs|tests|bench|deploy|examples|release|zonemta-plugin"
NAMED = re.compile(rf"`((?:{ROOTS})/[\w./-]+\w)[`:]")
MODULE = re.compile(r"`((?:collector|duckwatch\.(?:base|demo)|exporters|grafana|bench)(?:\.[a-z_0-9]+)+)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)\s#]+)")
MADE = {"deploy/compose/secrets"}
"""What a command makes."""
PLACEHOLDERS = ("NNNN", "SUBJECT", "SENDER", "NAME")
SCREEN_LINES = 50
ORDER = [
    "1. Try it",
    "2. Install it",
    "3. Connect what you run already",
    "4. Look something up",
    "5. Size it",
    "6. Security and privacy",
    "7. Run it",
    "8. When something is wrong",
    "9. Understand it, change it",
]
"""The sections of the index: the order in which a person needs them."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def linked(page: Path) -> set[Path]:
    """Return the files that a page links to."""
    return {(page.parent / target).resolve() for target in LINK.findall(text_of(page))}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_link_leads_to_a_file(page: Path) -> None:
    """Each link leads to a file, also after files were moved."""
    assert [name_of(target) for target in linked(page) if not target.exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != HISTORY], ids=name_of)
def test_a_file_that_a_document_names_exists(page: Path) -> None:
    """A file named like `path/like/this.py` exists, with or without the ending."""
    found = set(NAMED.findall(text_of(page))) - MADE
    named = [path for path in found if not any(word in path for word in PLACEHOLDERS)]
    assert [path for path in named if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != HISTORY], ids=name_of)
def test_a_module_that_a_document_names_exists(page: Path) -> None:
    """`package.module`, or a name in it, exists. A configuration key has the same form."""
    keys = re.findall(r"^- `(?:dnsbl\.)?(\w+\.[^`]+)`", text_of(ROOT / "docs" / "configuration.md"), re.MULTILINE)
    known = {*keys, *(key.rpartition(".")[0] for key in keys)}
    missing = []
    for module in MODULE.findall(text_of(page)):
        path = ROOT / module.replace(".", "/")
        places = (path, path.with_suffix(".py"), path.parent.with_suffix(".py"))
        if module not in known and not any(place.exists() for place in places):
            missing.append(module)
    assert missing == []


def test_every_document_is_in_the_index() -> None:
    """docs/README.md links to each page of the docs, and the README to the index."""
    index = ROOT / "docs" / "README.md"
    assert {name_of(page) for page in DOCS} - {name_of(target) for target in linked(index)} == {name_of(index)}
    assert index in linked(ROOT / "README.md")


def test_the_index_lists_a_document_once_and_says_what_it_is_for() -> None:
    """Each document is in one of the nine sections, with a sentence. Only the glossary is mentioned before them."""
    index = text_of(ROOT / "docs" / "README.md")
    assert re.findall(r"^## (.*)$", index, re.MULTILINE) == ORDER
    sections = index.partition("\n## ")[2]
    listed = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): .*\w", sections, re.MULTILINE)
    assert sorted(listed) == sorted(set(listed))
    assert {page.name for page in DOCS} - {"README.md"} <= set(listed)


def test_the_readme_fits_one_screen_and_shows_what_the_demo_prints() -> None:
    """The README shows the lines that the demo prints, with the same addresses."""
    readme = text_of(ROOT / "README.md")
    assert len(readme.splitlines()) <= SCREEN_LINES
    *_, shown = re.findall(r"```text\n(.*?)```", readme, re.DOTALL)
    data = "/tmp/duckwatch-demo-tz4a2105"
    place = RunAddresses(
        url="http://127.0.0.1:9626",
        dnsbl_url="http://127.0.0.1:9627",
        dsn="postgresql://duckwatch:PASSWORD@127.0.0.1:39291/duckwatch",
        token="",
        token_file=f"{data}/token",
        data=data,
        kept=False,
        psql="psql",
        collector=".venv/bin/duckwatch-collector",
        configuration=f"{data}/duckwatch.yml",
    )
    out = io.StringIO()
    screen = Screen(out, as_json=False)
    screen.ready(place)
    screen.bounced(place, "1a222fe40bc3258f31")
    printed = out.getvalue().splitlines()
    lines = [line for line in shown.splitlines() if not line.startswith("sent ")]
    assert len(lines) < len(shown.splitlines())
    assert [line for line in lines if line not in printed] == []
