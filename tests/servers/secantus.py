"""MongoDB for tests: a process of SecantusDB, which uses MongoDB's protocol."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.missing import MissingServerError
from tests.servers.process import Process, free_port, listens

if TYPE_CHECKING:
    from collections.abc import Sequence


class Secantus:
    """One server on a free port, with its data in `folder`. After `stop` or `kill` it can be started with the same
    data.

    `sync`: acknowledged writes survive `kill` (slower). `more`: further words of its command line.
    Raise `MissingServerError` if it is not installed.
    """

    def __init__(self, folder: Path, logs: Path, *, sync: bool = False, more: Sequence[str] = ()) -> None:
        self.port = free_port()
        self._program = Path(sys.executable).parent / "secantusd-py"
        if not self._program.exists():
            raise MissingServerError("SecantusDB is not installed: run `make setup`")
        self._words = [
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--storage-path",
            str(folder),
            "--cache-size",
            "256M",
        ]
        self._words += ["--sync-on-commit"] if sync else []
        self._words += more
        self._folder = folder
        self._log = logs / f"secantus-{self.port}.log"
        self._process: Process | None = None

    def uri(self, database: str) -> str:
        """Return the URI of a database of this server."""
        return f"mongodb://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # It runs in its own folder, because it reads secantusd.toml from the working directory.
        self._process = Process("secantus", [self._program, *self._words], self._log, cwd=self._folder)
        self._process.wait_ready(lambda: listens(self.port))

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """Kill it by SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process = None
