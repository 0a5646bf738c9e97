"""GELF over TCP: uncompressed messages that end with a NUL or a line feed, with limits for connections, memory and
idle time.
"""

from __future__ import annotations

import asyncio
import socket
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from collector.feeds.gelf.payload import MAX_BYTES, DecodedMessage, MessageResult, read_message
from duckwatch.base.listening import open_sockets

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.feeds.gelf.inbox import Inbox, MessageCounter
    from duckwatch.base.config.addresses import Endpoint, Endpoints

MAX_CONNECTIONS: Final = 256
MAX_UNFINISHED_BYTES: Final = 32 << 20
"""Limit for the incomplete messages of all connections. Above it, a connection that sends more of one is closed."""

BACKLOG: Final = 64
"""The loop accepts up to this many connections in one turn. It closes surplus ones in the next turn, and until then
they use descriptors.
"""

IDLE_SECONDS: Final = 300.0
SWEEP_SECONDS: Final = 5.0

NUL: Final = b"\0"
LINE_FEED: Final = b"\n"


class Frames:
    """The TCP input. `admits` returns True for an address that may connect."""

    def __init__(
        self,
        listen: Endpoint | Endpoints,
        *,
        admits: Callable[[str], bool],
        tally: MessageCounter,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._listen, self._admits, self.tally, self._idle_seconds = listen, admits, tally, idle_seconds
        self.unfinished_bytes = 0
        self._inbox: Inbox | None = None
        self._connections: set[_Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._sweeping: asyncio.TimerHandle | None = None

    async def open(self, inbox: Inbox) -> int:
        """Listen, and return the first bound port. `inbox` must be patient.
        Raise OSError when an address cannot be bound.
        """
        self._inbox = inbox
        loop = asyncio.get_running_loop()
        opened = open_sockets(self._listen, socket.SOCK_STREAM)
        for one in opened:
            self._servers.append(await loop.create_server(lambda: _Connection(self), sock=one, backlog=BACKLOG))
        self._sweep()
        port: int = opened[0].getsockname()[1]
        return port

    def close(self) -> None:
        """Stop listening, and close every connection."""
        for server in self._servers:
            server.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
            for connection in tuple(self._connections):
                connection.finish()
                connection.close()

    def join(self, connection: _Connection, address: str) -> bool:
        """Add a connection. Return False if its address may not connect, or if there are too many connections."""
        if not self._admits(address):
            self.tally(MessageResult.REFUSED_ADDRESS)
            return False
        if len(self._connections) >= MAX_CONNECTIONS:
            self.tally(MessageResult.OVERLOADED)
            return False
        self._connections.add(connection)
        return True

    def leave(self, connection: _Connection) -> None:
        """Remove a closed connection."""
        self._connections.discard(connection)

    def put(self, frame: bytes, otherwise: MessageResult = MessageResult.UNREADABLE) -> None:
        """Take a frame that holds one message, or one in each line. Count any other frame as `otherwise`."""
        read = read_message(frame)
        if read is MessageResult.UNREADABLE:
            lines = [read_message(line) for line in frame.split(LINE_FEED) if line.strip()]
            if not any(isinstance(one, DecodedMessage) for one in lines):
                self.tally(otherwise)
                return
            for one in lines:
                self.put_read(one)
        else:
            self.put_read(read)

    def put_read(self, read: DecodedMessage | MessageResult) -> None:
        """Give the inbox a message or a failure. Pause all connections when the inbox is full."""
        assert self._inbox is not None
        self._inbox.put(read)
        if self._inbox.is_full:
            for connection in self._connections:
                connection.pause()

    def resume(self) -> None:
        """Read from all connections again, because the inbox has room."""
        for connection in self._connections:
            connection.resume()

    def _sweep(self) -> None:
        last = monotonic() - self._idle_seconds
        for connection in tuple(self._connections):
            if connection.is_idle_since(last):
                connection.close()
        self._sweeping = asyncio.get_running_loop().call_later(min(SWEEP_SECONDS, self._idle_seconds / 4), self._sweep)


class _Connection(asyncio.Protocol):
    """The connection of one sender. A message that grows too large is counted, and its rest is discarded.

    Messages end with a NUL. If the first line is a complete message, they end with a line feed.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._transport: asyncio.Transport | None = None
        self._unfinished = bytearray()
        self._end = NUL
        self._is_settled = self._saw_nul = False
        self._is_skipping = False
        self._is_paused = False
        self._heard = monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if not peer or not self._frames.join(self, peer[0]):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._heard = monotonic()
        self._take(data)
        if self._frames.unfinished_bytes > MAX_UNFINISHED_BYTES and self._unfinished:
            self._frames.tally(MessageResult.OVERLOADED)
            self._clear()
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.finish()
        self._frames.leave(self)

    def finish(self) -> None:
        """Take the bytes after the last separator if they are a message. Count a cut one as incomplete."""
        last = bytes(self._unfinished)
        self._clear()
        if last.strip():
            self._frames.put(last, MessageResult.INCOMPLETE)

    def pause(self) -> None:
        """Stop reading."""
        if self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and self._is_paused:
            self._is_paused = False
            self._heard = monotonic()
            self._transport.resume_reading()

    def is_idle_since(self, moment: float) -> bool:
        """Return True if nothing has come since `moment` (monotonic seconds) and the connection is not paused."""
        return self._heard < moment and not self._is_paused

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, data: bytes) -> None:
        *frames, rest = data.split(self._end)
        if frames and self._end is NUL:
            self._is_settled = self._saw_nul = True
        for frame in frames:
            self._keep(frame)
            if self._unfinished.strip():
                self._frames.put(bytes(self._unfinished))
            self._is_skipping = False
            self._clear()
        self._keep(rest)
        if not self._is_settled and LINE_FEED in rest:
            self._settle()

    def _settle(self) -> None:
        """Use the line feed as separator if the first line is a complete message.
        A message of several lines ends with a NUL.
        """
        first, line_feed, rest = bytes(self._unfinished).lstrip().partition(LINE_FEED)
        if not line_feed:
            return
        self._is_settled = True
        read = read_message(first)
        if isinstance(read, DecodedMessage):
            self._end = LINE_FEED
            self._clear()
            self._frames.put_read(read)
            self._take(rest)

    def _keep(self, part: bytes) -> None:
        if self._is_skipping:
            return
        if len(self._unfinished) + len(part) > MAX_BYTES:
            if self._end is NUL and not self._saw_nul and LINE_FEED in self._unfinished:
                # The separator is the line feed after all; only the first line was not a message.
                whole = bytes(self._unfinished) + part
                self._end = LINE_FEED
                self._clear()
                self._take(whole)
                return
            self._frames.tally(MessageResult.TOO_LARGE)
            self._is_skipping = True
            self._clear()
            return
        self._unfinished += part
        self._frames.unfinished_bytes += len(part)

    def _clear(self) -> None:
        self._frames.unfinished_bytes -= len(self._unfinished)
        self._unfinished.clear()
