"""The servers of the benchmark of Live: one PostgreSQL, and for each run a collector with a database of its own.

A fault is an endpoint that hangs, answers 500, or is gone; the fault `off` is a collector without Live.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from bench.database import Table
from duckwatch.demo.postgres import Postgres, free_port
from duckwatch.demo.service import Service, write_secret
from tests.servers.grafana_live import TOKEN, grafana_live

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

FAULTS: Final = ("hangs", "answers_500", "is_gone")
OFF: Final = "off"
WATCHED: Final = ["shop.example"]


class Site:
    """A running collector and its table."""

    def __init__(self, service: Service, table: Table) -> None:
        self.service, self.table = service, table

    def resident_mb(self) -> float:
        """Return the resident memory of the collector and its children, in MB."""
        pid = self.service.pid
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = list[str]()
        for task in tasks:
            with contextlib.suppress(OSError):  # a thread that has ended
                children += (task / "children").read_text().split()
        return sum(_resident(process) for process in (pid, *map(int, children))) / 1e6


class Sites:
    """Gives collectors, one after the other, with files in `folder`. All take the same token."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = "bench-" + "0" * 32
        self._postgres = Postgres(folder / "postgres", folder / "postgres.log")
        self._numbers = itertools.count()

    async def start(self) -> None:
        """Start PostgreSQL. Raise DemoError when it does not start."""
        await self._postgres.start(asyncio.Event())

    async def stop(self) -> None:
        """Stop PostgreSQL."""
        await self._postgres.stop(asyncio.Event())

    @asynccontextmanager
    async def collector(self, live: Mapping[str, Any] | None) -> AsyncIterator[Site]:
        """Give a collector with a new database and this section `live`."""
        name = f"site{next(self._numbers)}"
        dsn = make_conninfo(self._postgres.dsn, dbname=name)
        with psycopg.connect(self._postgres.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        home = self.folder / name
        home.mkdir()
        service = Service(home, free_port(), dsn, {} if live is None else {"live": dict(live)})
        write_secret(service.token_file, self.token)
        never = asyncio.Event()
        try:
            await service.start(never)
            table = Table(dsn)
            yield Site(service, table)
            table.close()
        finally:
            await service.stop(never)
            with psycopg.connect(self._postgres.dsn, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    @asynccontextmanager
    async def with_fault(self, fault: str) -> AsyncIterator[Site]:
        """Give a collector that pushes to an endpoint with this fault."""
        token_file = self.folder / "live-token"
        write_secret(token_file, TOKEN)
        with grafana_live() as endpoint:
            live = endpoint.settings(token_file, watched_domains=WATCHED)["live"]
            if fault == "hangs":
                endpoint.hang.set()
            elif fault == "answers_500":
                endpoint.fault = 500
            elif fault == "is_gone":
                live["url"] = f"http://127.0.0.1:{free_port()}"
            async with self.collector(None if fault == OFF else live) as site:
                yield site


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
