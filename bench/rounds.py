"""The rounds: bare COPY, requests of 100 events (the plugin's or bare entries), single events, steady requests."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from bench import corpus, load
from bench.lag import Lag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.database import Table
    from duckwatch.demo.service import Service

    Bodies = Callable[[Sequence[dict[str, Any]], int], Iterator[bytes]]

HUNDREDS_CONNECTIONS = 8
SINGLES_CONNECTIONS = 64
STEADY_CONNECTIONS = 16
STEADY_EVENTS_PER_SECOND = 1_000
LAG_EVENTS_PER_SECOND = 5_000
PREPARATION_SECONDS = 20
"""Time to prepare the load of the lag round, whose events carry the times at which they will be sent."""
COPY_PIECE_EVENTS = 500
"""Events of one piece of COPY text, as the store writes it."""


@dataclass(frozen=True, slots=True)
class Size:
    """Events of a round, number of rounds, and seconds of each steady run."""

    hundreds: int
    singles: int
    rounds: int
    steady_seconds: int
    lag_seconds: int
    gelf_seconds: int


FULL = Size(hundreds=120_000, singles=40_000, rounds=5, steady_seconds=20, lag_seconds=60, gelf_seconds=20)
QUICK = Size(hundreds=20_000, singles=5_000, rounds=2, steady_seconds=4, lag_seconds=10, gelf_seconds=4)


@dataclass(frozen=True, slots=True)
class Sending:
    """Prepared requests in a file, and the rows that they become."""

    file: Path
    events: int
    rows: corpus.Rows
    connections: int


class Bench:
    """Runs all rounds against one collector and its table."""

    def __init__(self, service: Service, table: Table, folder: Path, size: Size) -> None:
        self._service, self._table, self._folder, self._size = service, table, folder, size

    async def run(self) -> dict[str, Any]:
        """Run the rounds interleaved, so that changes of the machine's speed affect all of them. Return the figures."""
        size = self._size
        hundreds = self._prepare("hundreds", size.hundreds, 100, HUNDREDS_CONNECTIONS)
        bare = self._prepare("bare", size.hundreds, 100, HUNDREDS_CONNECTIONS, corpus.bare_bodies)
        singles = self._prepare("singles", size.singles, 1, SINGLES_CONNECTIONS)
        pieces = self._copy_pieces(hundreds)
        copied, by_hundreds, by_bare, by_singles, ratios = [], [], [], [], []
        for _ in range(size.rounds):
            self._table.clear()
            copied.append(self._table.copy(pieces, hundreds.events))
            by_hundreds.append(await self._stored_per_second(hundreds))
            ratios.append(by_hundreds[-1] / copied[-1])
            by_bare.append(await self._stored_per_second(bare))
            by_singles.append(await self._stored_per_second(singles))
        return {
            "copy_rows_per_second": _spread(copied),
            "batches_of_100_events_per_second": _spread(by_hundreds),
            "batches_of_100_to_copy": round(median(ratios), 3),
            "bare_batches_of_100_events_per_second": _spread(by_bare),
            "singles_events_per_second": _spread(by_singles),
            "acknowledgement_ms_at_1000_events_per_second": {
                "singles": await self._acknowledgements(1),
                "batches_of_10": await self._acknowledgements(10),
            },
        }

    async def lag(self, dsn: str) -> dict[str, Any]:
        """Return the lag of the roll-ups at a steady rate of requests of 100 events, which carry the time of their
        sending.
        """
        self._table.clear()
        events = LAG_EVENTS_PER_SECOND * self._size.lag_seconds
        begins = time.time() + PREPARATION_SECONDS
        made = corpus.paced(events, int(begins * 1000), LAG_EVENTS_PER_SECOND)
        file = self._folder / "lag"
        file.write_bytes(load.pack([self._request(body) for body in corpus.bodies(made, 100)]))
        sending = Sending(file, events, corpus.Rows([], []), STEADY_CONNECTIONS)
        watched = Lag(dsn)
        await asyncio.sleep(max(0, begins - time.time()))
        figures = await watched.watch(self._send(sending, str(LAG_EVENTS_PER_SECOND / 100)))
        return {"events_per_second": LAG_EVENTS_PER_SECOND, "seconds": self._size.lag_seconds, **figures}

    def _prepare(
        self, name: str, events: int, size: int, connections: int, bodies_of: Bodies = corpus.bodies
    ) -> Sending:
        now = time.time_ns() // 1_000_000
        bodies = list(bodies_of(corpus.events(events, now), size))
        file = self._folder / name
        file.write_bytes(load.pack([self._request(body) for body in bodies]))
        return Sending(file, events, corpus.rows(bodies, now), connections)

    def _copy_pieces(self, sending: Sending) -> list[bytes]:
        step = COPY_PIECE_EVENTS // 100
        pieces = sending.rows.pieces
        return [b"".join(pieces[at : at + step]) for at in range(0, len(pieces), step)]

    def _request(self, body: bytes) -> bytes:
        return request(self._service.token, body)

    async def _stored_per_second(self, sending: Sending) -> float:
        """Return events a second, from the first byte sent until every row is committed."""
        self._table.clear()
        result = await self._send(sending)
        ended = self._table.wait_for(sending.rows.last_ids[-sending.connections :], sending.events)
        return float(sending.events / (ended - result["began"]))

    async def _send(self, sending: Sending, *rate: str) -> dict[str, Any]:
        return await send(self._service.url, sending, *rate)

    async def _acknowledgements(self, size: int) -> dict[str, Any]:
        """Return the times from a request's due time to its answer, while the metrics are scraped each second."""
        events = STEADY_EVENTS_PER_SECOND * self._size.steady_seconds
        sending = self._prepare(f"steady-{size}", events, size, STEADY_CONNECTIONS)
        self._table.clear()
        with _scraping(self._service.url) as scrapes:
            result = await self._send(sending, str(STEADY_EVENTS_PER_SECOND / size))
        self._table.wait_for(sending.rows.last_ids[-sending.connections :], events)
        milliseconds = [seconds * 1_000 for seconds in result["seconds"]]
        cuts = quantiles(milliseconds, n=1_000, method="inclusive")
        return {
            "requests": len(milliseconds),
            "p50": round(cuts[499], 2),
            "p99": round(cuts[989], 2),
            "p999": round(cuts[998], 2),
            "max": round(max(milliseconds), 2),
            "scrapes": len(scrapes),
        }


def request(token: str, body: bytes) -> bytes:
    """Return the bytes of a request to the ingest route."""
    head = (
        "POST /api/events/ingest HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send(url: str, sending: Sending, *rate: str) -> dict[str, Any]:
    """Send prepared requests from a process of their own, and return what it prints."""
    port = url.rpartition(":")[2]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.load", str(sending.file), port, str(sending.connections), *rate),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.stdin.write(b"go\n")
    line = await process.stdout.readline()
    assert await process.wait() == 0, "the load failed"
    result: dict[str, Any] = json.loads(line)
    assert set(result["statuses"]) == {"202"}, result["statuses"]
    return result


@contextmanager
def _scraping(url: str) -> Iterator[list[int]]:
    """Scrape /metrics each second, as Prometheus would. Yield the list of the pages' sizes."""
    over, pages = Event(), list[int]()

    def scrape() -> None:
        while not over.wait(1):
            with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:  # noqa: S310 - our own URL
                pages.append(len(answer.read()))

    thread = Thread(target=scrape)
    thread.start()
    try:
        yield pages
    finally:
        over.set()
        thread.join()


def _spread(figures: Sequence[float]) -> dict[str, Any]:
    return {"median": round(median(figures)), "rounds": [round(figure) for figure in figures]}
