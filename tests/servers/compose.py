"""Docker Compose, for its command `config` only: it needs no container engine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers.installed import command

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]


class Compose:
    """Debian's docker-compose. Raise `MissingServerError` if it is not installed."""

    def __init__(self) -> None:
        self._program = command("docker-compose")

    def run(self, *words: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run it at the top of the repository. Of the environment it has PATH and `env` alone, and no `.env`."""
        argv = [str(self._program), "--env-file", os.devnull, *words]
        environment = {"PATH": os.environ["PATH"], "HOME": os.devnull} | dict(env)
        return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def config(self, *words: str, env: Mapping[str, str]) -> dict[str, Any]:
        """Return the whole configuration, as Compose understands it. Raise AssertionError if it refuses."""
        done = self.run(*words, "config", "--format", "json", env=env)
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document
