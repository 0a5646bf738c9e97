"""GELF over UDP at steady rates: how many messages reach the journal, and how many are held in the database.

`python -m bench.gelf FILE PORT PER_SECOND` is the sender process. It prints `ready`, waits for a line on its standard
input, and sends the datagrams of FILE (packed by `bench.load`) at that rate.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
import urllib.request
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from bench import corpus, load
from tests.oracle.gelf import mail_message

if TYPE_CHECKING:
    from duckwatch.demo.service import Service

RATES = (5_000, 10_000)
SETTLE_SECONDS = 120.0


async def measure(service: Service, port: int, dsn: str, folder: Path, seconds: int) -> dict[str, Any]:
    """Send at each rate for `seconds` to the collector's GELF `port`. Return the figures."""
    figures = {}
    for rate in RATES:
        count = rate * seconds
        file = folder / f"gelf-{rate}"
        sent = _datagrams(count)
        file.write_bytes(load.pack(sent))
        before, cpu = _counted(service), _cpu_seconds(service.pid)
        await _send(file, port, rate)
        taken = await _settled(service, before)
        figures[f"{rate}_per_second"] = {
            "sent": count,
            "in_the_journal": taken.get("taken", 0),
            "lost": count - taken.get("taken", 0),
            "results": taken,
            "mean_datagram_bytes": round(sum(map(len, sent)) / count),
            "collector_cpu_us_a_message": round((_cpu_seconds(service.pid) - cpu) / count * 1e6, 1),
        }
    return figures | {"held": await asyncio.to_thread(_held, service, dsn)}


def _datagrams(count: int) -> list[bytes]:
    """Return `count` messages of the recorded deliveries, compressed by zlib as ZoneMTA's and WildDuck's are.

    One in 23 is the second message about the same DSN, as in the recording. Those count as repeated.
    """
    made: list[bytes] = []
    until = time.time_ns() // 1_000_000
    for event in corpus.events(count * 2, until):
        message = mail_message(event["entry"], event["time"])
        if message is not None and len(made) < count:
            made.append(zlib.compress(json.dumps(message).encode()))
    assert len(made) == count
    return made


async def _send(file: Path, port: int, rate: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.gelf", str(file), str(port), str(rate)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.stdin.write(b"go\n")
    assert await process.wait() == 0, "the sender failed"


async def _settled(service: Service, before: dict[str, int]) -> dict[str, int]:
    """Return the messages by result, once the counts no longer change."""
    deadline, last = time.monotonic() + SETTLE_SECONDS, before
    while time.monotonic() < deadline:
        await asyncio.sleep(1)
        now = await asyncio.to_thread(_counted, service)
        if now == last:
            break
        last = now
    return {result: number - before.get(result, 0) for result, number in last.items() if number > before.get(result, 0)}


def _counted(service: Service) -> dict[str, int]:
    return {labels["result"]: number for labels, number in _samples(service, "duckwatch_gelf_messages_total")}


def _samples(service: Service, name: str) -> list[tuple[dict[str, str], int]]:
    with urllib.request.urlopen(f"{service.url}/metrics", timeout=30) as answer:  # noqa: S310 - our own URL
        page = answer.read().decode()
    families = text_string_to_metric_families(page)
    return [(one.labels, int(one.value)) for family in families for one in family.samples if one.name == name]


def _cpu_seconds(pid: int) -> float:
    """Return the processor time of the process, without its assembler."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _held(service: Service, dsn: str) -> dict[str, int]:
    """Wait until the writer has stored all. Return the number of held rows: all messages but those of a filled slot."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while any(number for _, number in _samples(service, "duckwatch_journal_requests")):
        assert time.monotonic() < deadline, "taken, but not stored"
        time.sleep(1)
    repeated = [n for labels, n in _samples(service, "duckwatch_ingest_duplicates_total") if labels["source"] == "gelf"]
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM held_events").fetchone()
    assert row is not None
    return {"rows": row[0], "repeated": sum(repeated), "taken": _counted(service)["taken"]}


def main() -> None:
    """Run the sender process."""
    file, port, rate = sys.argv[1:]
    datagrams = load.unpack(Path(file).read_bytes())
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.connect(("127.0.0.1", int(port)))
    print("ready", flush=True)
    sys.stdin.readline()
    began, sent = time.monotonic(), 0
    while sent < len(datagrams):
        due = min(len(datagrams), int((time.monotonic() - began) * float(rate)) + 1)
        for datagram in datagrams[sent:due]:
            line.send(datagram)
        sent = due
        time.sleep(0.001)


if __name__ == "__main__":
    main()
