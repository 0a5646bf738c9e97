"""The collector with a wall clock that a test sets: `python -m tests.servers.skewed FILE …`.

FILE holds the seconds by which the clock is ahead. The monotonic clock does not change, as when the time of a machine
is set.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


class Skew:
    """The file with the seconds by which the clock is ahead."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.ahead(0)

    def ahead(self, seconds: float) -> None:
        """Set the clock."""
        draft = self._file.with_suffix(".new")
        draft.write_text(str(seconds), encoding="utf-8")
        draft.replace(self._file)

    def program(self) -> list[str | Path]:
        """The command that runs the collector with this clock."""
        return [sys.executable, "-m", "tests.servers.skewed", self._file]

    @staticmethod
    def environment() -> dict[str, str]:
        """Return the environment in which that command finds this module."""
        return {"PYTHONPATH": os.pathsep.join(sys.path)}


def main() -> int:
    """Set the clock, then import and run the collector."""
    file, true = Path(sys.argv.pop(1)), time.time_ns

    def time_ns() -> int:
        return true() + int(float(file.read_text(encoding="utf-8")) * 1_000_000_000)

    time.time_ns, time.time = time_ns, lambda: time_ns() / 1_000_000_000
    from collector.__main__ import main as collector  # imported after the clock is set

    return collector()


if __name__ == "__main__":
    sys.exit(main())
