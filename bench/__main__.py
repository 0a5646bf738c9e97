"""`python -m bench [--quick] [--only PART,…]`: starts PostgreSQL and the collector, runs the parts, prints JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from bench import compression, dashboards, feeds, gelf, mailserver, queue_state, rules
from bench.database import Table
from bench.rounds import FULL, QUICK, Bench, Size
from bench.storage import Storage
from collector.store.writing.batch_write import PostgresStore
from duckwatch.demo.errors import DemoError
from duckwatch.demo.postgres import Postgres, free_port
from duckwatch.demo.service import Service

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL_EVENTS, QUICK_EVENTS = 1_000_000, 100_000

OF_THE_COLLECTOR: Final = {"rates", "lag", "gelf"}
OF_A_DATABASE: Final = OF_THE_COLLECTOR | {"feeds", "queue", "storage"}
PARTS: Final = ("rates", "lag", "gelf", "feeds", "queue", "storage", "compression", "zonemta", "dashboards", "rules")


@dataclass(frozen=True, slots=True)
class Options:
    """The options: the parts, the length of the rounds, the number of stored events for the storage part and for the
    dashboards.

    With `dsn` only the storage part runs, in that database.
    """

    parts: frozenset[str]
    is_quick: bool
    stored_events: int
    month_events: int
    dsn: str | None

    @property
    def size(self) -> Size:
        """The length of the rounds."""
        return QUICK if self.is_quick else FULL


async def measure(folder: Path, wish: Options) -> dict[str, Any]:
    """Run the parts that need a database, with files in `folder`. Raise DemoError when a server does not start."""
    never = asyncio.Event()
    postgres = Postgres(folder / "postgres", folder / "postgres.log")
    try:
        await postgres.start(never)
        figures = await of_the_collector(folder, postgres.dsn, wish) if wish.parts & OF_THE_COLLECTOR else {}
        return figures | await asyncio.to_thread(of_the_database, folder, another(postgres.dsn), wish)
    finally:
        await postgres.stop(never)


def another(dsn: str) -> str:
    """Create a database on the same server, with the schema but no collector. Return its connection string."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE another")
    made = make_conninfo(dsn, dbname="another")
    store = PostgresStore(made, made)
    store.prepare()
    store.close()
    return made


async def of_the_collector(folder: Path, dsn: str, wish: Options) -> dict[str, Any]:
    """Return the figures of the parts that need a running collector."""
    never, size, figures = asyncio.Event(), wish.size, dict[str, Any]()
    peaks = figures["collector_peak_rss_mb"] = dict[str, float]()
    gelf_port = free_port()
    service = Service(folder, free_port(), dsn, {"gelf": {"udp": f"127.0.0.1:{gelf_port}"}})
    try:
        await service.start(never)
        table = Table(dsn)
        bench = Bench(service, table, folder, size)
        if "rates" in wish.parts:
            figures["events_of_a_round"] = {
                "copy": size.hundreds,
                "batches_of_100": size.hundreds,
                "singles": size.singles,
            }
            figures |= await bench.run()
            peaks["rates"] = peak_rss_mb(service.pid)
        if "lag" in wish.parts:
            figures["roll_up_lag"] = await bench.lag(dsn)
            peaks["lag"] = peak_rss_mb(service.pid)
        if "gelf" in wish.parts:
            figures["gelf"] = await gelf.measure(service, gelf_port, dsn, folder, size.gelf_seconds)
            peaks["gelf"] = peak_rss_mb(service.pid)
        table.close()
        return figures
    finally:
        await service.stop(never)


def of_the_database(folder: Path, dsn: str, wish: Options) -> dict[str, Any]:
    """Return the figures of the parts that need only a database."""
    table = Table(dsn)
    settings = table.assert_whole()
    table.close()
    figures: dict[str, Any] = {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "postgresql": settings}
    }
    if "feeds" in wish.parts:
        figures["feeds"] = feeds.measure(folder, dsn, feeds.QUICK if wish.is_quick else feeds.FULL)
    if "queue" in wish.parts:
        entries = queue_state.QUICK_ENTRIES if wish.is_quick else queue_state.FULL_ENTRIES
        figures["queue"] = queue_state.measure(dsn, entries)
    if "storage" in wish.parts:
        storage = Storage(dsn)
        figures["storage"] = storage.measure(wish.stored_events)
        storage.close()
    return figures


def of_other_servers(folder: Path, wish: Options) -> dict[str, Any]:
    """Return the figures of the parts that start their own servers."""
    figures: dict[str, Any] = {}
    if "compression" in wish.parts:
        figures["compressed"] = compression.measure(folder, wish.stored_events)
    if "zonemta" in wish.parts:
        size = mailserver.QUICK if wish.is_quick else mailserver.FULL
        figures["zonemta"] = mailserver.measure(folder / "zonemta", size)
    if "dashboards" in wish.parts:
        figures["dashboards"] = dashboards.measure(folder, wish.month_events)
    if "rules" in wish.parts:
        figures["rules"] = rules.measure(folder / "rules")
    return figures


def peak_rss_mb(pid: int) -> float:
    """Return the sum of the peak resident memory of the process and of its children (the assembler), in MB."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    return round(sum(_peak(process) for process in (pid, *map(int, children))) / 1e6, 1)


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise DemoError("this system does not report a process's peak memory")


def given(dsn: str, stored_events: int) -> int:
    """Run the storage part in the operator's database. Return the exit code."""
    storage = Storage(dsn)
    try:
        print(json.dumps({"storage": storage.measure(stored_events)}, indent=2))
    except DemoError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        storage.close()
    return 0


def wish_of(arguments: Sequence[str] | None = None) -> Options:
    """Return the options of the command line. Exit if they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small rounds: to see that it runs, not for figures")
    parser.add_argument(
        "--events",
        type=int,
        metavar="N",
        help="how many events are stored: messages are looked for among them (1,000,000), dashboards show them"
        " (10,000,000)",
    )
    parser.add_argument(
        "--dsn",
        help="measure only what is stored, in this database: an empty one, or one that an earlier run has filled",
    )
    parser.add_argument("--only", metavar="PART,…", help=f"these parts alone: {', '.join(PARTS)}")
    options = parser.parse_args(arguments)
    parts = frozenset(options.only.split(",") if options.only else PARTS)
    if unknown := parts - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    stored_events = options.events or (QUICK_EVENTS if options.quick else FULL_EVENTS)
    month_events = options.events or (dashboards.QUICK_EVENTS if options.quick else dashboards.FULL_EVENTS)
    return Options(parts, options.quick, stored_events, month_events, options.dsn)


def main() -> int:
    """Run the command line. Return the exit code."""
    wish = wish_of()
    if wish.dsn is not None:
        return given(wish.dsn, wish.stored_events)
    with tempfile.TemporaryDirectory(prefix="duckwatch-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # root's PostgreSQL runs as another account, which must enter this folder
        try:
            figures = asyncio.run(measure(folder, wish)) if wish.parts & OF_A_DATABASE else {}
            figures |= of_other_servers(folder, wish)
        except DemoError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
