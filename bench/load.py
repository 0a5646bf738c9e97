"""The load process: sends prepared requests over keep-alive connections and reads the status lines of the answers.

`python -m bench.load FILE PORT CONNECTIONS [REQUESTS_PER_SECOND]` reads the requests (each after its length), prints
`ready`, waits for a line on its standard input, sends, and prints one JSON object.
Without a rate each connection sends its next request as soon as the last one is answered.
With a rate requests are due at fixed times, and an answer's time is measured from its request's due time, so that a
stall counts for every request that had to wait.
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
    """Return the requests as the content of a file."""
    return b"".join(SIZE.pack(len(request)) + request for request in requests)


def unpack(data: bytes) -> list[bytes]:
    """Return the requests in a file's content, the inverse of `pack`."""
    requests, at = [], 0
    while at < len(data):
        (size,) = SIZE.unpack_from(data, at)
        at += SIZE.size + size
        requests.append(data[at - size : at])
    return requests


class RequestSender:
    """Gives requests to the connections and records the times of their answers."""

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
        """Record an answer."""
        self.statuses[status.decode("latin-1")] += 1
        if self.rate is not None:
            self.seconds.append(time.monotonic() - began)
        self.answers += 1
        if self.answers == self.expected:
            self.finished.set_result(None)

    def next(self, connection: Connection) -> None:
        """Give the connection its next request, or let it wait until one is due."""
        if self.rate is None:
            if self.todo:
                connection.send(self.todo.popleft(), 0.0)
        elif self.due:
            connection.send(self.todo.popleft(), self.due.popleft())
        else:
            self.idle.append(connection)

    async def tick(self) -> None:
        """Make requests due at the rate."""
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

    def __init__(self, desk: RequestSender) -> None:
        self._desk = desk
        self._buffer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the run if the connection ends early."""
        if not self._desk.finished.done():
            self._desk.finished.set_exception(exc or ConnectionError("the server closed a connection"))

    def send(self, request: bytes, began: float) -> None:
        """Send one request."""
        self._began = began
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect the bytes of an answer until it is complete."""
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
    """Wait for a line on standard input, then send all. Return the times (CLOCK_MONOTONIC) and the
    answers' statuses.
    """
    loop = asyncio.get_running_loop()
    desk = RequestSender(requests, rate)
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
    # Not print: with PYTHONUNBUFFERED it gives the pipe all at once, and loses what the pipe did not take.
    with open(sys.stdout.fileno(), "wb", closefd=False) as output:
        output.write(json.dumps(result).encode() + b"\n")


if __name__ == "__main__":
    main()
