"""The metrics of ZoneMTA and of WildDuck that panels may read, with their labels.

`others.json` is read from the running programs: `tests/acceptance/test_mta_metrics.py` compares it with them, and
writes it anew with `DUCKWATCH_WRITE_OTHERS=1`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")

TYPE = re.compile(r"^# TYPE ((?:zonemta|wildduck)_\w+) (\w+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="(?:[^"\\]|\\.)*"')


def read_page(page: str) -> dict[str, tuple[str, ...]]:
    """Return the program's own metrics on a page of metrics with their labels, in order, without those of its library.

    A metric without a sample is left out, because only its samples name its labels.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, _ in TYPE.findall(page):
        sample = re.search(rf"^{name}(?:_bucket)?(?:{{(.*)}})? \S+$", page, re.MULTILINE)
        if sample:
            found[name] = tuple(label for label in LABEL.findall(sample[1] or "") if label != "le")
    return dict(sorted(found.items()))


def recorded() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the metrics of `zonemta` and `wildduck` with their labels."""
    programs = json.loads(FILE.read_text(encoding="utf-8"))
    return {program: {name: tuple(labels) for name, labels in metrics.items()} for program, metrics in programs.items()}
