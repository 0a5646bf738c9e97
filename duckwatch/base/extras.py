"""What a program says when the packages of its extra are not installed. Standard library only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_FAILED = 1
OURS = frozenset({"collector", "duckwatch", "exporters", "grafana"})


def start(extra: str, find: Callable[[], Callable[[], int]]) -> int:
    """Run the program that `find` imports, and return its exit code: 1 if a package of the extra is missing."""
    try:
        main = find()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing in OURS:
            raise
        sys.stderr.write(f"{missing} is not installed: pip install 'duckwatch[{extra}]'\n")
        return EXIT_FAILED
    return main()
