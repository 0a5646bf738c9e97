"""The collector under a wall clock that a test sets: `python -m tests.servers.skewed FILE …`,
where FILE holds by how many seconds the clock is ahead.
The monotonic clock stays as it is, as when a machine's time is set.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


class Skew:
    """The file that says by how much the clock is ahead."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.ahead(0)

    def ahead(self, seconds: float) -> None:
        """Sets the clock."""
        draft = self._file.with_suffix(".new")
        draft.write_text(str(seconds), encoding="utf-8")
        draft.replace(self._file)

    def program(self) -> list[str | Path]:
        """The command that runs the collector under this clock."""
        return [sys.executable, "-m", "tests.servers.skewed", self._file]

    @staticmethod
    def environment() -> dict[str, str]:
        """What that command needs to find this module."""
        return {"PYTHONPATH": os.pathsep.join(sys.path)}


def main() -> int:
    """Sets the clock, and then imports the collector."""
    file, true = Path(sys.argv.pop(1)), time.time_ns

    def time_ns() -> int:
        return true() + int(float(file.read_text(encoding="utf-8")) * 1_000_000_000)

    time.time_ns, time.time = time_ns, lambda: time_ns() / 1_000_000_000
    from collector.__main__ import main as collector  # it must see this clock

    return collector()


if __name__ == "__main__":
    sys.exit(main())
