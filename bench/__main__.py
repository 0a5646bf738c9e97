"""`python -m bench [--quick]`: starts PostgreSQL and the collector as a user would, runs all rounds, then
ZoneMTA's; prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import compression, gelf, mailserver
from bench.database import Table
from bench.rounds import FULL, QUICK, Bench, Size
from bench.storage import Storage
from collector.demo.errors import DemoError
from collector.demo.postgres import Postgres, free_port
from collector.demo.service import Service

FULL_EVENTS, QUICK_EVENTS = 1_000_000, 100_000


async def measure(folder: Path, size: Size, stored_events: int) -> dict[str, Any]:
    """Runs everything in `folder`. Raises DemoError when a server does not start."""
    never = asyncio.Event()
    postgres = Postgres(folder / "postgres", folder / "postgres.log")
    service: Service | None = None
    try:
        await postgres.start(never)
        gelf_port = free_port()
        service = Service(folder, free_port(), postgres.dsn, {"gelf": {"udp": f"127.0.0.1:{gelf_port}"}})
        await service.start(never)
        table = Table(postgres.dsn)
        settings = table.assert_whole()
        bench = Bench(service, table, folder, size)
        figures = await bench.run()
        figures["roll_up_lag"] = await bench.lag(postgres.dsn)
        figures["gelf"] = await gelf.measure(service, gelf_port, postgres.dsn, folder, size.gelf_seconds)
        table.close()
        peak = peak_rss_bytes(service.pid)
        await service.stop(never)
        service = None
        storage = Storage(postgres.dsn)
        figures["storage"] = storage.measure(stored_events)
        storage.close()
        return {
            "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "postgresql": settings},
            "events_of_a_round": {"copy": size.hundreds, "batches_of_100": size.hundreds, "singles": size.singles},
            **figures,
            "collector_peak_rss_mb": round(peak / 1e6, 1),
        }
    finally:
        if service is not None:
            await service.stop(never)
        await postgres.stop(never)


def peak_rss_bytes(pid: int) -> int:
    """Returns the most memory that the process and its children (the assembler) ever had resident, each by itself, added up."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    return sum(_peak(process) for process in (pid, *map(int, children)))


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise DemoError("this system does not tell a process's peak memory")


def given(dsn: str, stored_events: int) -> int:
    """Measures what is stored in a database of the operator's; returns the exit code."""
    storage = Storage(dsn)
    try:
        print(json.dumps({"storage": storage.measure(stored_events)}, indent=2))
    except DemoError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        storage.close()
    return 0


def main() -> int:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small rounds: to see that it runs, not for figures")
    parser.add_argument(
        "--events", type=int, metavar="N", help="how many events messages are looked for among (1,000,000)"
    )
    parser.add_argument(
        "--dsn",
        help="measure only what is stored, in this database: an empty one, or one that an earlier run has filled",
    )
    options = parser.parse_args()
    quick, stored_events = options.quick, options.events or (QUICK_EVENTS if options.quick else FULL_EVENTS)
    if options.dsn:
        return given(options.dsn, stored_events)
    with tempfile.TemporaryDirectory(prefix="duckwatch-bench-") as folder:
        Path(folder).chmod(0o711)  # root's PostgreSQL runs as another account, which has to pass here
        try:
            figures = asyncio.run(measure(Path(folder), QUICK if quick else FULL, stored_events))
            figures["storage"]["compressed"] = compression.measure(Path(folder), stored_events)
            size = mailserver.QUICK if quick else mailserver.FULL
            figures["zonemta"] = mailserver.measure(Path(folder) / "zonemta", size)
        except DemoError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
