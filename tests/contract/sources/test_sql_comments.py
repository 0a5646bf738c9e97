"""Each SQL file says in its first line, as a comment, what it asks or does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = ("collector/store/queries", "collector/store/migrations", "grafana/queries")
FILES = {str(path.relative_to(ROOT)): path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.sql"))}
COMMENT = re.compile(r"-- \S+( \S+){2,}")
NOT_YET = {
    "collector/store/queries/add_records.sql",
    "collector/store/queries/aggregate_sizes.sql",
    "collector/store/queries/built.sql",
    "collector/store/queries/columns.sql",
    "collector/store/queries/domain_stats.sql",
    "collector/store/queries/domain_stats_1h.sql",
    "collector/store/queries/drop_chunks.sql",
    "collector/store/queries/drop_held.sql",
    "collector/store/queries/has_older.sql",
    "collector/store/queries/horizon.sql",
    "collector/store/queries/hypertable_sizes.sql",
    "collector/store/queries/layout.sql",
    "collector/store/queries/letters.sql",
    "collector/store/queries/letters_drop.sql",
    "collector/store/queries/mail_stats.sql",
    "collector/store/queries/mail_stats_1h.sql",
    "collector/store/queries/make_hypertable.sql",
    "collector/store/queries/materialised.sql",
    "collector/store/queries/merge.sql",
    "collector/store/queries/note_horizon.sql",
    "collector/store/queries/old_chunks.sql",
    "collector/store/queries/prune_reports.sql",
    "collector/store/queries/queue_entries_end.sql",
    "collector/store/queries/queue_entries_keep.sql",
    "collector/store/queries/queue_entries_known.sql",
    "collector/store/queries/queue_entries_page.sql",
    "collector/store/queries/queue_snapshot.sql",
    "collector/store/queries/reports.sql",
    "collector/store/queries/set_aside.sql",
    "collector/store/queries/stale.sql",
    "collector/store/queries/table_sizes.sql",
}
"""Files that still begin without a comment. A file leaves this list when it gets one; none is added."""


def _begins_with_a_comment(path: Path) -> bool:
    """Tell whether the first line is a comment of at least three words."""
    return COMMENT.fullmatch(path.read_text(encoding="utf-8").split("\n", 1)[0]) is not None


@pytest.mark.parametrize("name", FILES)
def test_the_first_line_says_what_the_sql_asks(name: str) -> None:
    """A file in the list that has its comment is taken from the list."""
    assert _begins_with_a_comment(FILES[name]) == (name not in NOT_YET)


def test_the_list_names_files() -> None:
    """A file that is renamed or removed leaves the list."""
    assert not NOT_YET - set(FILES)
    assert len(FILES) > 100
