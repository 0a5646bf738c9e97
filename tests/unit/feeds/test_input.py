"""The GELF input on loopback, with a journal that is a list."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import socket
import time
import tracemalloc
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from collector.config import load
from collector.errors import OverloadedError
from collector.events.border.decoding import Border
from collector.events.model.event import Source, Submission
from collector.feeds.gelf import GelfInput, frames, inbox
from collector.feeds.gelf.chunks import MAX_WAITING_BYTES
from collector.feeds.gelf.payload import MAX_BYTES, MessageResult
from collector.metrics import Metrics
from duckwatch.base.errors import StartError
from tests.servers.gelf import chunked, send_datagrams
from tests.unit.web.conftest import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOPBACK = "127.0.0.1:0"


class InputUnderTest:
    """The input, and the messages that reached the journal."""

    def __init__(self, gelf: dict[str, Any]) -> None:
        settings = load(None, {"DUCKWATCH_COLLECTOR__GELF": json.dumps(gelf)}).collector.gelf
        assert settings is not None
        self.metrics = Metrics()
        self.requests: list[Submission] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.udp = self.tcp = 0
        self.lines: list[asyncio.StreamWriter] = []
        self.input = GelfInput(
            settings,
            border=Border(bound_cluster=settings.cluster),
            submit=self._submit,
            clock_ms=lambda: time.time_ns() // 1_000_000,
            metrics=self.metrics,
        )

    async def _submit(self, submission: Submission) -> None:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.requests.append(submission)

    @property
    def ids(self) -> list[str]:
        return [entry.fields["id"] for request in self.requests for entry in request.entries]

    def count(self, result: MessageResult) -> float:
        return self.metrics.registry.get_sample_value("duckwatch_gelf_messages_total", {"result": result}) or 0

    async def counted(self, **results: int) -> None:
        """Wait until the counts are these, and assert that there are no others."""
        wanted = {result: results.get(result.value, 0) for result in MessageResult}
        try:
            await until(lambda: {result: self.count(result) for result in MessageResult} == wanted)
        finally:
            assert {result: self.count(result) for result in MessageResult} == wanted

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.tcp)
        self.lines.append(writer)
        return reader, writer


@asynccontextmanager
async def listening(**gelf: Any) -> AsyncIterator[InputUnderTest]:
    """Yield an input that listens until the end of the block."""
    made = InputUnderTest(gelf or {"udp": LOOPBACK, "tcp": LOOPBACK})
    udp, tcp = await made.input.start()
    made.udp, made.tcp = udp or 0, tcp or 0
    try:
        yield made
    finally:
        made.gate.set()
        made.failure = None
        await made.input.stop(5)
        for line in made.lines:
            line.close()
            with contextlib.suppress(OSError):
                await line.wait_closed()


def queued(number: int, **more: Any) -> bytes:
    return json.dumps({"_mail_action": "queued", "_queue_id": f"q{number}", "_to": "a@b.example", **more}).encode()


async def test_datagrams_of_one_turn_are_one_request() -> None:
    """Datagrams of one turn of the event loop become one request, because each request costs a commit."""
    async with listening(udp=LOOPBACK, cluster="eu1") as made:
        send_datagrams(made.udp, [queued(n) for n in range(20)])
        await made.counted(taken=20)
        assert sorted(made.ids) == sorted(f"q{n}" for n in range(20))
        assert len(made.requests) < 5
        assert {(r.source, r.entries[0].cluster) for r in made.requests} == {(Source.GELF, "eu1")}


async def test_everything_else_is_counted() -> None:
    """Other messages, unreadable ones, too large ones and incomplete ones are counted."""
    big = zlib.compress(b'{"a":"' + b"x" * MAX_BYTES + b'"}')
    lonely = chunked(queued(1), 20)[:-1]
    async with listening(udp=LOOPBACK) as made:
        send_datagrams(made.udp, [b"{}", b"x", big, *lonely, *reversed(chunked(queued(2), 20)), queued(3)])
        await made.counted(ignored=1, unreadable=1, too_large=1, taken=2)
        assert made.ids == ["q2", "q3"]
        await made.counted(ignored=1, unreadable=1, too_large=1, taken=2, incomplete=1)


async def test_only_allowed_networks_may_send() -> None:
    """Datagrams from other networks are dropped and counted, and their TCP connections closed."""
    async with listening(udp=LOOPBACK, tcp=LOOPBACK, allow=["127.0.0.2", "192.0.2.0/24"]) as made:
        send_datagrams(made.udp, [queued(1)] * 3)
        reader, writer = await made.connect()
        writer.write(queued(2) + b"\0")
        assert await _ended(reader)
        await made.counted(refused_address=4)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.bind(("127.0.0.2", 0))
            line.sendto(queued(3), ("127.0.0.1", made.udp))
        await made.counted(refused_address=4, taken=1)


async def test_a_full_journal_drops_datagrams_and_counts_them() -> None:
    """While the journal is full datagrams are dropped and counted, and accepted again afterwards."""
    async with listening(udp=LOOPBACK) as made:
        made.failure = OverloadedError("full", retry_after=10)
        send_datagrams(made.udp, [queued(n) for n in range(5)])
        await made.counted(overloaded=5)
        made.failure = None
        send_datagrams(made.udp, [queued(9)])
        await made.counted(overloaded=5, taken=1)
        assert made.ids == ["q9"]


async def test_a_fault_of_ours_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error is logged, its messages are counted, and the next are accepted."""
    async with listening(udp=LOOPBACK) as made:
        made.failure = ZeroDivisionError("q1")
        send_datagrams(made.udp, [queued(1)])
        await made.counted(unreadable=1)
        made.failure = None
        send_datagrams(made.udp, [queued(2)])
        await made.counted(unreadable=1, taken=1)
    assert [record.message for record in caplog.records] == [
        "GELF messages were lost because of an error in the collector"
    ]


async def test_what_waits_for_the_journal_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the journal is slow, datagrams over the limit are dropped and counted."""
    monkeypatch.setattr(inbox, "MAX_WAITING_BYTES", 1000)
    async with listening(udp=LOOPBACK) as made:
        made.gate.clear()
        send_datagrams(made.udp, [queued(n, _response="x" * 500) for n in range(10)])
        await made.counted(overloaded=8)
        made.gate.set()
        await made.counted(overloaded=8, taken=2)


async def test_tcp_frames_in_any_pieces() -> None:
    """TCP frames end at their NUL in any pieces, and empty frames are ignored."""
    text = b"\0".join([queued(1), b"", queued(2), b"x", b"\n" + queued(3) + b"\n"]) + b"\0\0"
    async with listening() as made:
        _, writer = await made.connect()
        for at in range(0, len(text), 7):
            writer.write(text[at : at + 7])
            await writer.drain()
            await asyncio.sleep(0)
        await made.counted(taken=3, unreadable=1)
        assert made.ids == ["q1", "q2", "q3"]
        writer.write(queued(4)[:-1])
        writer.close()
        await made.counted(taken=3, unreadable=1, incomplete=1)


async def test_the_last_tcp_frame_needs_no_nul() -> None:
    """A whole JSON object at the end of a connection, or of the collector, is a message without its NUL."""
    async with listening() as made:
        for number, last in enumerate([queued(1), b"\0" + queued(2) + b"\n", b" \n"]):
            _, writer = await made.connect()
            writer.write(last)
            writer.close()
            await made.counted(taken=min(number + 1, 2))
        _, writer = await made.connect()
        writer.write(queued(3))
        await writer.drain()
        side = made.input._frames
        assert side is not None
        await until(lambda: side.unfinished_bytes > 0)
        await made.input.stop(5)
        assert made.ids == ["q1", "q2", "q3"]


@pytest.mark.parametrize("size", [5, 64, 100_000])
async def test_tcp_messages_may_be_lines(size: int) -> None:
    """A sender may end messages with line feeds instead of NULs; a bad line is counted."""
    text = b"\r\n".join([queued(1), queued(2), b"", b"x", queued(3), queued(4)]) + b"\n"
    async with listening() as made:
        _, writer = await made.connect()
        for at in range(0, len(text), size):
            writer.write(text[at : at + size])
            await writer.drain()
        await made.counted(taken=4, unreadable=1)
        assert made.ids == ["q1", "q2", "q3", "q4"]
        side = made.input._frames
        assert side is not None
        assert side.unfinished_bytes == 0


async def test_lines_behind_a_bad_first_line_are_found() -> None:
    """Lines after a bad first line are found at the end of the connection or after a mebibyte."""
    async with listening() as made:
        _, writer = await made.connect()
        writer.write(b'{"a": \n' + queued(1) + b"\n" + queued(2))
        writer.close()
        await made.counted(taken=2, unreadable=1)
        _, writer = await made.connect()
        writer.write(b'{"a": \n' + (queued(3, _response="x" * 500_000) + b"\n") * 4)
        await writer.drain()
        await made.counted(taken=6, unreadable=2)


async def test_a_message_in_several_lines_ends_with_its_nul() -> None:
    """JSON in several lines, ended by NUL, is one message."""
    pretty = json.dumps(json.loads(queued(1)), indent=2).encode()
    async with listening() as made:
        _, writer = await made.connect()
        writer.write(pretty + b"\0" + queued(2) + b"\0")
        await made.counted(taken=2)
        assert made.ids == ["q1", "q2"]


async def test_a_tcp_frame_without_end_is_not_held() -> None:
    """A TCP frame over a mebibyte is counted and discarded up to its NUL, and the next is accepted."""
    async with listening() as made:
        _, writer = await made.connect()
        for _ in range(64):
            writer.write(b"x" * 65_536)
            await writer.drain()
        await made.counted(too_large=1)
        writer.write(b"\0" + queued(1) + b"\0")
        await made.counted(too_large=1, taken=1)


async def test_tcp_holds_its_senders_up_while_the_journal_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the journal is full, TCP senders are held back and no message is lost."""
    monkeypatch.setattr(inbox, "MAX_WAITING_BYTES", 10_000)
    monkeypatch.setattr(asyncio, "sleep", _short(asyncio.sleep))
    async with listening(tcp=LOOPBACK) as made:
        made.failure = OverloadedError("full", retry_after=10)
        _, writer = await made.connect()
        writer.write(b"".join(queued(n, _response="x" * 5000) + b"\0" for n in range(4000)))
        await asyncio.sleep(0.3)
        assert writer.transport.get_write_buffer_size() > 0
        assert made.requests == []
        made.failure = None
        await made.counted(taken=4000)
        assert made.ids == [f"q{n}" for n in range(4000)]


def _short(sleep: Any) -> Any:
    """Shorten the pauses between attempts."""

    async def shorter(seconds: float) -> None:
        await sleep(min(seconds, 0.3))

    return shorter


async def test_tcp_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP connections are limited in number, unfinished bytes and silence."""
    monkeypatch.setattr(frames, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(frames, "MAX_UNFINISHED_BYTES", 50_000)
    async with listening() as made:
        side = made.input._frames
        assert side is not None
        lines = [await made.connect() for _ in range(2)]
        await until(lambda: len(side._connections) == 2)
        third, _ = await made.connect()
        assert await _ended(third)
        await made.counted(overloaded=1)
        lines[0][1].write(b"x" * 60_000)
        assert await _ended(lines[0][0])
        await made.counted(overloaded=2)
        assert side.unfinished_bytes == 0
        side._idle_seconds = 0.1
        side._sweep()
        assert await _ended(lines[1][0])


async def _ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 20) == b""
    except ConnectionError:
        return True


async def test_hostile_datagrams_hold_no_memory() -> None:
    """Bombs, endless chunks and noise hold limited memory, and good messages are accepted."""
    bomb = zlib.compress(b'{"_mail_action":"queued","_queue_id":"q","a":"' + b" " * (30 << 20))
    async with listening(udp=LOOPBACK) as made:
        tracemalloc.start()
        for n in range(40):
            half = chunked(os.urandom(200_000), 50_000)[:-1]
            send_datagrams(made.udp, [bomb, *half, os.urandom(5000), b"\x1e\x0f" + os.urandom(20), queued(n)])
            await until(lambda n=n: made.count(MessageResult.TAKEN) == n + 1)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert held < MAX_WAITING_BYTES + 16 * MAX_BYTES
    assert made.count(MessageResult.TOO_LARGE) == 40


async def test_what_came_before_the_end_is_durable() -> None:
    """`stop` waits until the received messages are durable."""
    async with listening(udp=LOOPBACK) as made:
        made.gate.clear()
        send_datagrams(made.udp, [queued(n) for n in range(10)])
        stopping = asyncio.create_task(made.input.stop(20))
        await asyncio.sleep(0.1)
        assert made.requests == []
        made.gate.set()
        await stopping
        assert made.count(MessageResult.TAKEN) == 10


async def test_what_is_not_durable_at_the_end_of_the_stop_is_counted() -> None:
    """Messages that are not durable at the end of the stop are counted once each."""
    async with listening(udp=LOOPBACK) as made:
        made.gate.clear()
        send_datagrams(made.udp, [queued(n) for n in range(4)])
        (box,) = [one for one in gc.get_objects() if isinstance(one, inbox.Inbox) and one._metrics is made.metrics]
        await until(lambda: box._under_way > 0)
        send_datagrams(made.udp, [queued(n) for n in range(4, 10)])
        await until(lambda: box._under_way + len(box._waiting) == 10)
        await made.input.stop(0.1)
        made.gate.set()
        await made.counted(overloaded=10)
        assert made.requests == []


@pytest.mark.parametrize("way", ["udp", "tcp"])
async def test_an_address_that_is_taken(way: str) -> None:
    """The fault of an address in use names the key."""
    async with listening(**{way: LOOPBACK}) as made:
        second = InputUnderTest({way: f"127.0.0.1:{made.udp or made.tcp}"})
        with pytest.raises(StartError, match=rf"^collector\.gelf\.{way}: cannot listen on "):
            await second.input.start()


async def test_datagrams_that_the_kernel_had_no_room_for_are_counted() -> None:
    """Datagrams that the kernel dropped are counted."""
    async with listening(udp=LOOPBACK) as made:
        [source] = made.input._datagrams._sockets  # type: ignore[union-attr]
        assert source is not None
        source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        send_datagrams(made.udp, [queued(n) for n in range(200)])
        await until(lambda: made.count(MessageResult.TAKEN) + made.count(MessageResult.OVERRUN) == 200)
        assert made.count(MessageResult.OVERRUN) > 0
