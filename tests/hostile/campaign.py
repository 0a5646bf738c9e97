"""Send hostile inputs to a running collector over several connections, check the answers and sample its memory."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.hostile.inputs import Input, SentContext, make
from tests.hostile.values import CANARY
from tests.servers.process import children

if TYPE_CHECKING:
    from tests.servers.collector import Collector

CONNECTIONS = 48
ANSWER_SECONDS = 60
SAMPLES = 40
PATIENCE_SECONDS = 0.1
"""How long the client waits for an answer to an input that may be an incomplete request."""


class Answer:
    """An answer: status, body, and whether the connection stays open. Status 0: the connection ended without one."""

    def __init__(self, status: int, body: bytes, *, stays_open: bool) -> None:
        self.status, self.body, self.stays_open = status, body, stays_open


class Campaign:
    """Sends the inputs from `first` up to, but not including, `first + count` of a seed.

    `faults` describes wrong answers. `good` has the ids of the good events that were acknowledged.
    """

    def __init__(self, collector: Collector, seed: int, first: int, count: int) -> None:
        self._collector, self._seed = collector, seed
        self._numbers = iter(range(first, first + count))
        self._first, self._count = first, count
        self.done = 0
        self.good: list[str] = []
        self.faults: list[str] = []
        self.answers: Counter[tuple[str, int]] = Counter()
        self.memory: list[tuple[int, ...]] = []

    async def run(self) -> None:
        """Send all inputs. Return when each is answered, or when there are more than 100 faults."""
        watch = asyncio.create_task(self._watch())
        await asyncio.gather(*(self._worker() for _ in range(CONNECTIONS)))
        watch.cancel()

    async def _watch(self) -> None:
        """Sample the memory `SAMPLES` times, evenly over the number of inputs."""
        while True:
            if self.done >= len(self.memory) * self._count / SAMPLES:
                self.memory.append(memory(self._collector.pid))
                held = [one >> 20 for one in self.memory[-1]]
                print(f"{self.done:>9} sent, {held} MiB, {len(self.faults)} faults", flush=True)
            await asyncio.sleep(0.05)

    async def _worker(self) -> None:
        line = Line(self._collector.port)
        for number in self._numbers:
            if len(self.faults) > 100:
                break
            await self._send(line, number)
            self.done += 1
        line.close()

    async def _send(self, line: Line, number: int) -> None:
        while True:
            one = make(self._seed, number, SentContext(self._collector.token, time.time_ns() // 1_000_000))
            answer = await line.ask(one)
            self.answers[one.kind, answer.status] += 1
            if answer.status != 503:
                break
            await asyncio.sleep(0.5)  # the journal is full: wait until the database has caught up
        fault = fault_of(one, answer)
        if fault:
            self.faults.append(f"input {number} ({one.kind}): {fault}")
        elif one.good is not None:
            self.good.append(one.good)


def fault_of(one: Input, answer: Answer) -> str | None:
    """Return what is wrong with an answer, or None."""
    if CANARY.encode() in answer.body:
        return "the answer repeats what was sent"
    if answer.status == 0:
        return None if one.is_last else "no answer"
    return None if answer.status in one.allowed else f"answered {answer.status} {answer.body[:200]!r}"


def memory(pid: int) -> tuple[int, ...]:
    """Return the resident memory (bytes) of a process and of each of its children."""
    found = []
    for one in (pid, *children(pid)):
        try:
            status = Path(f"/proc/{one}/status").read_text(encoding="utf-8")
        except OSError:  # the process has just ended
            continue
        found.append(next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0))
    return tuple(found)


class Line:
    """A connection to the collector. It is opened again after the collector has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, one: Input) -> Answer:
        """Send one input and return the answer. An input with `is_last` is sent on a connection of its own."""
        async with asyncio.timeout(ANSWER_SECONDS):
            if one.is_last:
                return await self._ask_last(one.request)
            for _ in range(2):
                is_fresh = self._streams is None
                answer = await self._ask(one.request)
                if answer.status or is_fresh:
                    break  # else the collector had closed the idle connection
            return answer

    async def _ask(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        answer = await exchange(reader, writer, request)
        if not answer.stays_open:
            self.close()
        return answer

    async def _ask_last(self, request: bytes) -> Answer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await exchange(reader, writer, request, is_last=True)
        except TimeoutError:  # the collector waits for the rest of the request
            return Answer(0, b"", stays_open=False)
        finally:
            writer.close()

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, *, is_last: bool = False
) -> Answer:
    """Write a request and read its answer. Of RFC 9112, only what this server sends is read."""
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100 "):
            head = await reader.readuntil(b"\r\n\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        body = b"" if is_last else await reader.readexactly(int(headers[b"content-length"]))
    except (ConnectionError, asyncio.IncompleteReadError):
        return Answer(0, b"", stays_open=False)
    return Answer(int(head[9:12]), body, stays_open=not is_last and headers.get(b"connection") != b"close")
