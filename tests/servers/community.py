"""TimescaleDB Community for tests: PostgreSQL 17 as WebAssembly in Node, with one database in memory for each test.

It runs DDL, continuous aggregates, compression and policies as the real one does.
It has no COPY, no pipelines, no second connection (a second one waits) and no background workers (a test runs the
jobs by `CALL run_job`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from tests.servers import installed
from tests.servers.process import Process, free_port, listens

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = Path(__file__).parent / "community" / "serve.mjs"


class Community:
    """One server with one database, which has no extension yet. Raise `MissingServerError` if it is not installed."""

    def __init__(self, logs: Path) -> None:
        self.port = free_port()
        self._argv: Sequence[str | Path] = [installed.node(), PROGRAM, installed.community(), str(self.port)]
        self._log = logs / f"community-{self.port}.log"
        self._process: Process | None = None

    @property
    def dsn(self) -> str:
        """The connection string of the database."""
        return f"postgresql://postgres:any@127.0.0.1:{self.port}/postgres?sslmode=disable&gssencmode=disable"

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        self._process = Process("community", self._argv, self._log)
        self._process.wait_ready(lambda: listens(self.port))

    def connect(self, **settings: Any) -> psycopg.Connection:
        """Open its only connection. Statements are sent as text with their values inserted."""
        return psycopg.connect(self.dsn, cursor_factory=psycopg.ClientCursor, **settings)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process = None
