"""Connections: slow, silent, too many, not HTTP, and open at the server's stop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from duckwatch.base.config.addresses import Endpoint
from tests.unit.web.conftest import BEARER, events, until
from tests.unit.web.wire import Line, ask, connect, head, post

if TYPE_CHECKING:
    from tests.unit.web.conftest import ServerStarter

PATH = "POST /api/events/ingest"


async def drip(line: Line, seconds: float = 0.05) -> None:
    """Send a byte now and then until the server closes the connection."""
    try:
        while True:
            await line.send(b" ")
            await asyncio.sleep(seconds)
    except ConnectionError:
        pass


async def test_a_body_that_drips_is_408_and_the_connection_closes(serve: ServerStarter) -> None:
    """A slow body is 408 at the deadline of the whole body, and the connection closes."""
    async with serve(limits={"read_timeout": "300ms"}) as served, connect(served.port) as line:
        await line.send(head(PATH, BEARER, "Content-Length: 5000") + b"[")
        dripping = asyncio.create_task(drip(line))
        reply = await line.receive()
        assert (reply.status, reply.headers["connection"]) == (408, "close")
        assert await line.is_closed()
        dripping.cancel()
    assert not served.submitted


async def test_a_head_that_drips_is_hung_up_on(serve: ServerStarter) -> None:
    """A client that never ends its headers is closed."""
    async with serve(idle_seconds=0.3) as served, connect(served.port) as line:
        await line.send(b"POST /api/events/ingest HTTP/1.1\r\nX: ")
        dripping = asyncio.create_task(drip(line))
        assert await line.is_closed()
        dripping.cancel()


async def test_a_silent_connection_is_hung_up_on(serve: ServerStarter) -> None:
    """A silent connection is closed, from its start and after an answer."""
    async with serve(idle_seconds=0.3) as served:
        async with connect(served.port) as line:
            assert await line.is_closed()
        async with connect(served.port) as line:
            assert (await line.ask(post(events(), BEARER))).status == 202
            assert await line.is_closed()


async def test_slow_clients_do_not_hold_up_the_others(serve: ServerStarter) -> None:
    """A hundred slow clients do not delay another."""
    async with serve() as served:
        slow = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(100)]
        for index, (_, writer) in enumerate(slow):
            writer.write(head(PATH, BEARER, "Content-Length: 5000") + b"[" if index % 2 else b"POST /api")
        assert (await ask(served.port, post(events(), BEARER))).status == 202
        for _, writer in slow:
            writer.close()


async def test_a_client_that_sends_but_does_not_read_is_dropped(serve: ServerStarter) -> None:
    """A client that sends but does not read is held back, then closed."""
    async with serve(write_seconds=0.3) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(head("GET /metrics") * 20)
                    await writer.drain()
        writer.close()
        del reader


async def test_connections_over_the_limit_are_closed_at_once(serve: ServerStarter) -> None:
    """Connections over the limit are closed at once while the others are in use, until one leaves."""
    async with serve(limits={"connections": 2}) as served:
        async with connect(served.port) as one, connect(served.port) as two:
            for line in (one, two):
                assert (await line.ask(head("GET /healthz"))).status == 200
            assert served.count("duckwatch_http_connections") == 2
            async with connect(served.port) as three:
                assert await three.is_closed()
            assert served.count("duckwatch_http_connections") == 2
        await until(lambda: not served.server._listener or not served.server._listener.connections)
        assert served.count("duckwatch_http_connections") == 0
        assert served.count("duckwatch_http_connections_limit") == 2
        assert (await ask(served.port, head("GET /healthz"))).status == 200
    assert served.count("duckwatch_http_connections_closed_total", reason="refused") == 1


async def test_a_new_connection_takes_the_place_of_the_longest_silent_one(
    serve: ServerStarter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new connection replaces the longest silent one: without request first, then answered, then owing a body."""
    monkeypatch.setattr("collector.web.places.GRACE_SECONDS", 0)
    async with (
        serve(limits={"connections": 3}) as served,
        connect(served.port) as owing,
        connect(served.port) as silent,
        connect(served.port) as dribbling,
        contextlib.AsyncExitStack() as stack,
    ):
        await owing.send(head(PATH, BEARER, "Content-Length: 5000") + b"[")
        await until(lambda: served.server._bodies._reading)
        await dribbling.send(b"GET /heal")
        fresh = []
        for gone in (silent, dribbling):
            fresh.append(await stack.enter_async_context(connect(served.port)))
            assert (await fresh[-1].ask(head("GET /healthz"))).status == 200
            assert await gone.is_closed()
        fresh.append(await stack.enter_async_context(connect(served.port)))
        assert await fresh[0].is_closed()
        served.gate.clear()
        for line in fresh[1:]:
            await line.send(post(events(), BEARER))
        await until(lambda: served.waiting == 2)
        last = await stack.enter_async_context(connect(served.port))
        assert (await last.ask(head("GET /healthz"))).status == 200
        assert await owing.is_closed()
        served.gate.set()
        assert [(await line.receive()).status for line in fresh[1:]] == [202, 202]
    assert served.count("duckwatch_http_connections_closed_total", reason="displaced") == 4


async def test_a_request_under_way_keeps_its_place(serve: ServerStarter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that waits for the disk keeps its connection, however many others come."""
    monkeypatch.setattr("collector.web.places.GRACE_SECONDS", 0)
    async with serve(limits={"connections": 2}) as served, connect(served.port) as busy:
        served.gate.clear()
        await busy.send(post(events(), BEARER))
        await until(lambda: served.waiting == 1)
        for _ in range(10):
            async with connect(served.port) as other:
                assert (await other.ask(head("GET /healthz"))).status == 200
        served.gate.set()
        assert (await busy.receive()).status == 202


@pytest.mark.parametrize(
    "data",
    [
        b"CANARY\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03CANARY" * 20 + b"\r\n\r\n",
        b"POST /api/events/ingest HTTP/9.9\r\nCANARY: x\r\n\r\n",
        b"POST /api/events/ingest HTTP/1.1\r\nHost: x\r\nCANARY\r\n\r\n",
        b"POST /api/events/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: CANARY\r\n\r\n",
        b"POST /api/events/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/events/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /api/events/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"CANARY" * 2_000 + b"\r\n\r\n",
        b"get /healthz HTTP/1.1\r\nHost: CANARY\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: one\r\n CANARY\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_400_in_json_that_quotes_nothing(
    serve: ServerStarter, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that is not HTTP is 400 in JSON that quotes nothing."""
    async with serve() as served, connect(served.port) as line:
        reply = await line.ask(data)
        assert (reply.status, reply.json) == (400, {"error": "this is not a valid HTTP request"})
        assert "duckwatch-version" in reply.headers
        assert await line.is_closed()
    assert not caplog.records


async def test_stopping_finishes_what_came_in_whole(serve: ServerStarter) -> None:
    """A stop answers complete requests with 202, accepts no new ones, and closes idle connections."""
    async with serve() as served:
        served.gate.clear()
        async with connect(served.port) as busy, connect(served.port) as idle:
            await busy.send(post(events(), BEARER))
            await until(lambda: served.waiting == 1)
            stopping = asyncio.create_task(served.server.stop(20))
            assert await idle.is_closed()
            with pytest.raises(ConnectionError):
                await ask(served.port, head("GET /healthz"))
            served.gate.set()
            assert (await busy.receive()).status == 202
            assert await busy.is_closed()
            await stopping
        assert len(served.submitted) == 1


async def test_stopping_sends_away_what_has_not_come_in_whole(serve: ServerStarter) -> None:
    """A stop answers incomplete requests with 503 at once, so that the sender keeps its events."""
    async with serve() as served, connect(served.port) as line:
        await line.send(head(PATH, BEARER, "Content-Length: 5000") + b"[")
        await until(lambda: served.server._bodies._reading)
        await served.server.stop(20)
        reply = await line.receive()
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert await line.is_closed()
    assert not served.submitted


async def test_a_port_that_is_taken_is_an_oserror(serve: ServerStarter) -> None:
    """A port in use raises OSError, with which the program ends."""
    async with serve() as served, serve() as other:
        with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
            await other.server.start(Endpoint("127.0.0.1", served.port))
