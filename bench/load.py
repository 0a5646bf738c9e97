"""The load: a process of its own that sends prepared requests over keep-alive connections and reads the answers' status
lines.

`python -m bench.load FILE PORT CONNECTIONS [REQUESTS_PER_SECOND]` reads the requests (each with its length in front),
says `ready`, waits for a line on its standard input, sends, and prints one JSON object.
Without a rate each connection sends its next request as soon as the last one is answered;
with one, requests are due at fixed times, and an answer's time counts from when its request was due,
so that a stall is counted for everybody who had to wait.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import cast

import uvloop

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
SIZE = struct.Struct("<I")


def pack(requests: list[bytes]) -> bytes:
    """Return the requests as one file's content."""
    return b"".join(SIZE.pack(len(request)) + request for request in requests)


def unpack(data: bytes) -> list[bytes]:
    """Undo `pack`."""
    requests, at = [], 0
    while at < len(data):
        (size,) = SIZE.unpack_from(data, at)
        at += SIZE.size + size
        requests.append(data[at - size : at])
    return requests


class Desk:
    """Hands out requests and takes the answers' times."""

    def __init__(self, requests: list[bytes], rate: float | None) -> None:
        self.todo = deque(requests)
        self.answers = 0
        self.expected = len(requests)
        self.statuses: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.idle: deque[Connection] = deque()
        self.due: deque[float] = deque()
        self.rate = rate
        self.finished = asyncio.get_running_loop().create_future()

    def answered(self, status: bytes, began: float) -> None:
        """Note an answer."""
        self.statuses[status.decode("latin-1")] += 1
        if self.rate is not None:
            self.seconds.append(time.monotonic() - began)
        self.answers += 1
        if self.answers == self.expected:
            self.finished.set_result(None)

    def next(self, connection: Connection) -> None:
        """Give the connection its next request, or let it wait for one to be due."""
        if self.rate is None:
            if self.todo:
                connection.send(self.todo.popleft(), 0.0)
        elif self.due:
            connection.send(self.todo.popleft(), self.due.popleft())
        else:
            self.idle.append(connection)

    async def tick(self) -> None:
        """Make requests due, at the rate."""
        assert self.rate is not None
        began = time.monotonic()
        for number in range(self.expected):
            moment = began + number / self.rate
            if (wait := moment - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            self.due.append(moment)
            if self.idle:
                self.next(self.idle.popleft())


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request on its way at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._buffer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the run when the connection ends early."""
        if not self._desk.finished.done():
            self._desk.finished.set_exception(exc or ConnectionError("the server closed a connection"))

    def send(self, request: bytes, began: float) -> None:
        """Send one request."""
        self._began = began
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Wait for a whole answer."""
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.index(LENGTH) + len(LENGTH)
        length = int(head[at:].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + len(HEAD_END) + length:
            return
        status = self._buffer[9:12]
        self._buffer = b""
        self._desk.answered(status, self._began)
        self._desk.next(self)


async def run(requests: list[bytes], port: int, connections: int, rate: float | None) -> dict[str, object]:
    """Send everything once standard input says so; return the times (CLOCK_MONOTONIC) and what was answered."""
    loop = asyncio.get_running_loop()
    desk = Desk(requests, rate)
    lines = []
    for _ in range(connections):
        _, protocol = await loop.create_connection(lambda: Connection(desk), "127.0.0.1", port)
        lines.append(protocol)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    began = time.monotonic()
    for line in lines:
        desk.next(line)
    ticking = None if rate is None else asyncio.ensure_future(desk.tick())
    await desk.finished
    ended = time.monotonic()
    if ticking is not None:
        await ticking
    return {
        "began": began,
        "ended": ended,
        "statuses": desk.statuses,
        "seconds": desk.seconds,
        "cpu": time.process_time(),
    }


def main() -> None:
    """Run from the command line."""
    file, port, connections, *rate = sys.argv[1:]
    requests = unpack(Path(file).read_bytes())
    result = uvloop.run(run(requests, int(port), int(connections), float(rate[0]) if rate else None))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
