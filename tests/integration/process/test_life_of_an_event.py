"""Each block of docs/life-of-an-event.md equals what a running collector makes of the recorded entry.

`DUCKWATCH_REWRITE_DOCS=1` rewrites the blocks instead (CONTRIBUTING.md, "The life of an event").
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.integration.process.life import follow
from tests.servers.collector import Collector

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
PAGE = ROOT / "docs" / "life-of-an-event.md"
BLOCK = re.compile(r"(?<=<!-- block: )(\w+)( -->\n```\w+\n)(.*?)(?=^```$)", re.DOTALL | re.MULTILINE)
"""A marked block: its name, its opening lines, its text."""

FOREVER = {"raw": "100y", "stats_15s": "100y", "stats_5m": "100y", "stats_1h": "100y"}
"""A long retention, because the recording has old times, which the default retention would refuse one day."""


def test_each_block_is_what_a_collector_makes_of_the_entry(
    postgres_dsn: str, tmp_path: Path, server_logs: Path
) -> None:
    """Each block shows the entry as it is after HTTP, in the journal, the table and the roll-ups of
    a real collector.
    """
    folder = tmp_path / "collector"
    collector = Collector(folder, server_logs, postgres_dsn, {"retention": FOREVER})
    collector.start()
    try:
        found = follow(collector, postgres_dsn, folder / "journal", tmp_path / "copy")
    finally:
        collector.stop()
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("DUCKWATCH_REWRITE_DOCS"):
        page = BLOCK.sub(lambda block: f"{block[1]}{block[2]}{found[block[1]]}\n", page)
        PAGE.write_text(page, encoding="utf-8")
    assert {block[1]: block[3].rstrip("\n") for block in BLOCK.finditer(page)} == found


def test_the_five_places_are_in_the_composition_root() -> None:
    """Each line that the document quotes from `collector/app.py` is in that file."""
    page = PAGE.read_text(encoding="utf-8")
    (quoted,) = re.findall(r"<!-- from: collector/app.py -->\n```text\n(.*?)```", page, re.DOTALL)
    wanted = [line.partition("  # ")[0].strip() for line in quoted.splitlines()]
    lines = {line.strip() for line in (ROOT / "collector" / "app.py").read_text(encoding="utf-8").splitlines()}
    assert [line for line in wanted if line not in lines] == []
    assert [line.partition("  # ")[2] for line in quoted.splitlines()] == list("ABCDDE")
