"""`reclassify`: judge stored replies by today's rules, and print what changes (docs/operations.md)."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import timedelta

    from collector.events.judgement import Judgement
    from collector.store.reclassification import Reclassification

SHOWN: Final = ("reason", "bounce_kind", "provider", "provider_code")
"""Columns with few values: each change is a line of the table. For the others, the table shows the number of rows."""

NONE: Final = "-"


class ReclassifyDesk:
    """The command for one database."""

    def __init__(self, reclassification: Reclassification) -> None:
        self._reclassification = reclassification

    def run(self, since: timedelta, *, is_dry: bool) -> int:
        """Judge the replies that are younger than `since`, and print the changes. Return 0. Raise
        `StoreUnavailableError`.
        """
        rows, changed, changes = 0, 0, Counter[tuple[str, str, str]]()
        day = None
        for done in self._reclassification.run(since, is_dry=is_dry):
            rows += done.rows
            changed += len(done.changes)
            for before, after in done.changes:
                changes.update(_differences(before, after))
            if done.start.date() != day:
                day = done.start.date()
                print(f"reading {day}: {rows} replies so far, {changed} changed", file=sys.stderr)
        _print(changes)
        verb = "would change" if is_dry else "changed"
        print(f"{rows} replies judged, {changed} rows {verb}")
        if changed and not is_dry:
            print("the roll-ups follow within minutes; counters stay, since they count new rows")
        return 0


def _differences(before: Judgement, after: Judgement) -> list[tuple[str, str, str]]:
    found = []
    for column, old, new in zip(before._fields, before, after, strict=True):
        if old != new:
            found.append((column, old or NONE, new or NONE) if column in SHOWN else (column, "*", "*"))
    return found


def _print(changes: Counter[tuple[str, str, str]]) -> None:
    lines = [("column", "from", "to", "rows")]
    ordered = sorted(changes.items(), key=lambda item: (item[0][0], -item[1], item[0]))
    lines += [(*change, str(rows)) for change, rows in ordered]
    widths = [max(len(line[place]) for line in lines) for place in range(3)]
    for line in lines if changes else ():
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        print("  ".join([*cells, line[3].rjust(8)]))
