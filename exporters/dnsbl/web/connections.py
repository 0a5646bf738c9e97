"""HTTP connections, limited in number. Clients that send nothing or do not read are closed."""

from __future__ import annotations

import asyncio
import logging
import math
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from duckwatch.base.heads import (
    LARGE_HEADERS,
    MAX_HEAD_BYTES,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_LINE_BYTES,
    NO_HEAD,
    is_head_too_large,
    refusal_of,
    settle,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

IDLE_SECONDS: Final = 75.0
"""Longer than a scrape interval of a minute. Also the time limit of a request's head."""

WRITE_SECONDS: Final = 30.0
READING_SECONDS: Final = 1.0
"""A client that stalled more recently than this keeps its connection when a new client needs room."""

_log = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """One connection. It is closed when the client does not read its answer for `write_seconds`."""

    __slots__ = ("_head_bytes", "_is_given_up", "_listener", "_stalled", "_write_seconds", "stalled_since")

    def __init__(self, listener: Listener, *, write_seconds: float, **options: Any) -> None:  # noqa: ANN401 - handed through
        super().__init__(listener, **options)
        self._listener, self._write_seconds = listener, write_seconds
        self._stalled: asyncio.TimerHandle | None = None
        self._is_given_up = False
        self.stalled_since = math.inf
        self._head_bytes = 0

    @property
    def is_writing(self) -> bool:
        """True while an answer waits for the client."""
        return self._stalled is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the connection, or abort it if `abort` was called before its transport existed."""
        super().connection_made(transport)
        if self._is_given_up:
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Count the bytes of an incomplete head, and refuse a head that is too long. Requests here have no body."""
        count = self._request_count
        super().data_received(data)
        if self._request_count != count:
            settle(self._messages)
            self._head_bytes = 0
        elif self._head_bytes <= MAX_HEAD_BYTES:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                super().data_received(NO_HEAD)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer an error without quoting the request, as aiohttp's own answer and log line would."""
        del message
        if request.writer.output_size > 0:
            raise ConnectionError
        text = "internal error"
        if status == 400:
            status, text = refusal_of(exc, self._head_bytes)
        else:
            _log.error("an HTTP request failed because of an error in the exporter", exc_info=exc)
        response = web.Response(status=status, text=f"{text}\n")
        response.force_close()
        return response

    def pause_writing(self) -> None:
        """Start the time limit for a client that does not read."""
        super().pause_writing()
        self.stalled_since = asyncio.get_running_loop().time()
        self._stalled = asyncio.get_running_loop().call_later(self._write_seconds, self.abort)

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        self._forget_stall()
        super().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._forget_stall()
        self._listener.forget(self)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Close the connection at once, or as soon as it has a transport. Unsent data is lost."""
        self._is_given_up = True
        if self.transport is not None:
            self.transport.abort()

    def _forget_stall(self) -> None:
        self.stalled_since = math.inf
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


class _Refusal(asyncio.Protocol):
    """Closes one connection over the limit at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class Listener(web.Server):
    """Accepts connections, at most `most()` at a time.

    Over the limit a new connection replaces the one that has been idle longest, so that a client which opens many
    cannot block a scrape. If none is idle, it replaces the one that has not read its answer for longest. If there is
    none of those either, the new one is refused.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        most: Callable[[], int],
        idle_seconds: float = IDLE_SECONDS,
        write_seconds: float = WRITE_SECONDS,
    ) -> None:
        super().__init__(self._answer)
        self._handler, self._most = handler, most
        self._idle_seconds, self._write_seconds = idle_seconds, write_seconds
        # aiohttp's own count comes too late: asyncio makes many protocols before it calls their connection_made.
        self._open: set[Connection] = set()
        self._idle: dict[Connection, None] = {}  # the longest idle first

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        while len(self._open) >= self._most():
            if (longest := self._longest()) is None:
                return _Refusal()  # type: ignore[return-value]  # asyncio asks for a protocol only
            self.forget(longest)
            longest.abort()
        made = Connection(
            self,
            loop=self._loop,
            write_seconds=self._write_seconds,
            keepalive_timeout=self._idle_seconds,
            access_log=None,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
        )
        self._open.add(made)
        self._idle[made] = None
        return made

    def _longest(self) -> Connection | None:
        """Return the connection that a new one replaces, None if every connection is in use."""
        idle = next((one for one in self._idle if not one.is_writing), None)
        if idle is not None:
            return idle
        before = asyncio.get_running_loop().time() - READING_SECONDS
        return min(
            (one for one in self._open if one.stalled_since < before), key=attrgetter("stalled_since"), default=None
        )

    def make_room(self) -> None:
        """Close an eighth of the connections, because file descriptors are short."""
        for _ in range(max(1, len(self._open) // 8)):
            if (longest := self._longest()) is None:
                return
            self.forget(longest)
            longest.abort()

    def forget(self, connection: Connection) -> None:
        """Forget a connection that has ended or was aborted."""
        self._open.discard(connection)
        self._idle.pop(connection, None)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        self._idle.pop(connection, None)
        try:
            if is_head_too_large(request):
                return web.Response(status=LARGE_HEADERS.status, text=f"{LARGE_HEADERS.text}\n")
            return await self._handler(request)
        finally:
            if connection in self._open:
                self._idle[connection] = None
