"""Commands of other programs: run, and what they print."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SECONDS: Final = 600


class CommandError(Exception):
    """A command failed. The message says which, and what it printed."""


def run(*words: object, folder: Path = ROOT) -> str:
    """Run a command and return its standard output. Raise `CommandError` if it fails."""
    ended = attempt(*words, folder=folder)
    if ended.returncode != 0:
        raise CommandError(f"{' '.join(map(str, words))}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def attempt(*words: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command and return how it ended. Raise `CommandError` if there is no such program."""
    # A date from outside would be written into the files of a release.
    environ = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    try:
        return subprocess.run(
            list(map(str, words)),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            cwd=folder,
            env=environ,
        )
    except FileNotFoundError:
        raise CommandError(f"{words[0]} is not installed") from None
