"""The exporter's HTTP connections: too many, silent, incomplete, in use, and unread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from duckwatch.base.heads import MAX_HEADER_BYTES
from exporters.dnsbl.web.connections import Listener
from tests.unit.web.conftest import until
from tests.unit.web.wire import head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]

MOST = 3
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class ServedListener:
    """A listener, the event that its handler waits for, and its connections."""

    def __init__(self, **settings: Any) -> None:
        self.gate, self.begun, self.body = asyncio.Event(), 0, b"ok"
        self.gate.set()
        self.listener = Listener(self._handle, most=lambda: MOST, **settings)
        self.lines: list[Line] = []
        self.port = 0

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        del request
        self.begun += 1
        await self.gate.wait()
        return web.Response(body=self.body)

    async def connect(self, said: bytes = b"") -> Line:
        """Open a connection, and send some bytes."""
        line = await asyncio.open_connection("127.0.0.1", self.port, limit=1024)
        line[1].write(said)
        await line[1].drain()
        self.lines.append(line)
        return line

    async def handling(self, count: int) -> None:
        """Wait until `count` requests are being handled."""
        await until(lambda: self.begun == count)


@contextlib.asynccontextmanager
async def serve(**settings: Any) -> AsyncIterator[ServedListener]:
    """Yield a listener on loopback."""
    served = ServedListener(**settings)
    runner = web.ServerRunner(served.listener)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.port = runner.addresses[0][1]
    yield served
    for _, writer in served.lines:
        writer.close()
    await runner.cleanup()


async def answer(line: Line) -> bytes:
    """Return the first line of an answer, empty if the connection was closed."""
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            return (await line[0].readline()).strip()
    return b""


async def test_a_new_connection_takes_the_place_of_the_one_idle_for_longest() -> None:
    """A new connection replaces the one that has been idle longest; the one answered last stays."""
    async with serve() as served:
        idle = [await served.connect(said) for said in (b"", b"GET / HT", b"")]
        idle[0][1].write(GET)
        assert await answer(idle[0]) == b"HTTP/1.1 200 OK"
        for _ in range(2):
            assert await answer(await served.connect(GET)) == b"HTTP/1.1 200 OK"
        assert await answer(idle[1]) == await answer(idle[2]) == b""
        for _ in range(5 * MOST):
            await served.connect()
        assert await answer(await served.connect(GET)) == b"HTTP/1.1 200 OK"
        assert len(served.listener.connections) <= MOST


async def test_of_many_at_once_the_last_are_served() -> None:
    """Of many connections accepted in one turn, which have no transport yet, the last are served."""
    async with serve() as served:
        with contextlib.ExitStack() as waiting:
            # Not by asyncio: the event loop must not run before the last connection is open.
            lines = [waiting.enter_context(socket.create_connection(("127.0.0.1", served.port))) for _ in range(50)]
            for line in lines:
                line.setblocking(False)
                line.send(GET)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(30):
                assert (await loop.sock_recv(lines[-1], 15)) == b"HTTP/1.1 200 OK"
            await until(lambda: len(served.listener.connections) <= MOST)


async def test_what_is_under_way_is_finished() -> None:
    """If every connection has a request under way, a new one is refused until one is answered."""
    async with serve() as served:
        served.gate.clear()
        busy = [await served.connect(GET) for _ in range(MOST)]
        await served.handling(MOST)
        assert await answer(await served.connect(GET)) == b""
        served.gate.set()
        assert [await answer(one) for one in busy] == [b"HTTP/1.1 200 OK"] * MOST
        assert await answer(await served.connect(GET)) == b"HTTP/1.1 200 OK"


async def test_an_answer_that_is_being_read_is_finished() -> None:
    """A connection whose answer is being read is not idle and is not closed."""
    async with serve() as served:
        served.body = b"x" * (16 << 20)
        reader, _ = await served.connect(GET)
        await served.handling(1)
        for _ in range(2 * MOST):
            await served.connect()
        async with asyncio.timeout(60):
            await reader.readuntil(b"\r\n\r\n")
            assert len(await reader.readexactly(len(served.body))) == len(served.body)


async def test_a_client_that_does_not_read_is_left() -> None:
    """A client that does not read its answer is closed."""
    async with serve(write_seconds=0.2) as served:
        served.body = b"x" * (16 << 20)
        await served.connect(GET)
        await served.handling(1)
        await until(lambda: not served.listener.connections)


async def test_a_silent_connection_is_left() -> None:
    """A silent connection is closed, from its start, within a head, and after an answer."""
    async with serve(idle_seconds=0.2) as served:
        lines = [await served.connect(said) for said in (b"", b"GET / HT", GET)]
        async with asyncio.timeout(30):
            for reader, _ in lines:
                await reader.read()


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (head("GET /", *[f"X-{n}: a" for n in range(63)]), 200),
        (head("GET /", *[f"X-{n}: a" for n in range(64)]), 431),
        (head("GET /", *[f"X-{n}: a" for n in range(500)]), 431),
        (head("GET /", "X: " + "a" * (MAX_HEADER_BYTES - 100)), 200),
        (head("GET /", "X: " + "a" * MAX_HEADER_BYTES), 431),
        (head("GET /", *[f"X-{n}: " + "a" * 1000 for n in range(20)]), 431),
        (head("GET /")[:-2] + b"X: a\r\n" * 9000, 431),
        (head("GET /" + "a" * 9000), 414),
        (b"nonsense\r\n\r\n", 400),
        (head("GET /", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501),
        (head("GET /").replace(b"HTTP/1.1", b"HTTP/2.0"), 505),
        (head("GET /", "Connection: Upgrade", "Upgrade: h2c") + b"GET / HTTP/1.1", 200),
    ],
    ids=range(12),
)
async def test_a_head_that_is_too_large_or_not_supported_is_named(said: bytes, status: int) -> None:
    """A head that is too large or not supported is refused with the collector's status, not with 400."""
    async with serve() as served:
        assert (await answer(await served.connect(said))).split()[1] == str(status).encode()
