"""One HTTP connection: aiohttp's, with limits for clients that are slow or many, and a log that quotes no client."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from collector.web.answers import TRANSPORT_FAULT, answer
from duckwatch.base.heads import (
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

    from aiohttp import StreamReader

    from collector.web.answers import Answer
    from collector.web.places import ConnectionPlaces, OpenConnection

READ_BUFFER_BYTES: Final = 64 << 10
"""aiohttp pauses a connection at twice this size. A client without credentials can make the collector hold no more."""

LINGER_SECONDS: Final = 2
"""How long the collector reads and discards the rest of a refused request, so that the client sees the answer and
not a reset.
"""

_log = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """One client's connection. It answers invalid HTTP in JSON, logs no traceback that quotes the client,
    and drops a client that does not read its answers.

    `shaking` is the task of the TLS handshake. `is_given_up` is True once the connection had to make room.
    `kind` belongs to `ConnectionPlaces`. `may_exceed` is True once more than MAX_HEADER_BYTES came between two
    requests, so that a head may be too large.
    """

    __slots__ = (
        "_fed_bytes",
        "_gone",
        "_head_bytes",
        "_is_parting",
        "_is_sender",
        "_payload",
        "_places",
        "_stalled",
        "_write_seconds",
        "is_given_up",
        "kind",
        "may_exceed",
        "shaking",
    )

    def __init__(self, manager: Listener, *, places: ConnectionPlaces, write_seconds: float, **options: Any) -> None:  # noqa: ANN401 - handed through
        super().__init__(manager, **options)
        self.shaking: asyncio.Task[None] | None = None
        self.is_given_up = self.may_exceed = False
        self.kind: dict[OpenConnection, float] | None = None
        self._places = places
        self._write_seconds = write_seconds
        self._stalled: asyncio.TimerHandle | None = None
        self._payload: StreamReader | None = None
        self._head_bytes = self._fed_bytes = 0
        self._is_parting = False
        self._is_sender = False
        self._gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the connection, or close it when another client has taken its place meanwhile."""
        super().connection_made(transport)
        if self.is_given_up:
            self.abort()

    def arrived(self) -> None:
        """Note that the accept or the TLS handshake has ended. Without a transport, the place becomes free."""
        self.shaking = None
        if self.transport is None:
            self._places.leave(self)

    def abort(self) -> None:
        """Close the connection at once, or cancel its handshake. Unsent bytes are lost."""
        self.is_given_up = True
        if self.transport is not None:
            self.transport.abort()
        elif self.shaking is not None:
            self.shaking.cancel()

    def data_received(self, data: bytes) -> None:
        """Give bytes to the parser, and count the bytes of an incomplete head: aiohttp limits each header, but not
        their sum.
        """
        if self._is_parting:
            return
        payload, count = self._payload, self._request_count
        is_body = payload is not None and not payload.is_eof()
        # These include the start of the next head, if it came in the same bytes as the end of a request.
        self._fed_bytes += len(data)
        if self._fed_bytes > MAX_HEADER_BYTES:
            self.may_exceed = True
        super().data_received(data)
        if self._request_count != count:
            settle(self._messages)
            self._head_bytes, self._fed_bytes = 0, len(data)
            payload = self._messages[-1][1] if self._messages else None
            self._payload = None if payload is None or payload.is_eof() else payload
            self._places.works(self)
        elif not is_body and data:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                super().data_received(NO_HEAD)
                self._is_parting = True
                self._places.works(self)

    def answered(self, status: int) -> None:
        """Note that a request was answered. The server now waits for the client, unless its next request is here."""
        self._is_sender = self._is_sender or status == 202
        if not self._messages:
            self._places.idles(self, is_sender=self._is_sender)

    def waits_for_client(self) -> None:
        """Note that the server waits for the rest of the body."""
        self._places.waits(self)

    def works(self) -> None:
        """Note that the body is complete."""
        self._places.works(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to invalid HTTP or an unexpected error. aiohttp's own answer and log line quote the
        request.
        """
        del message
        if request.writer.output_size > 0:
            raise ConnectionError
        error = "internal error"
        if status == 400:
            status, error = refusal_of(exc, self._head_bytes)
        self._is_parting = True
        return _LastAnswer(self, answer(status, {"error": error}, TRANSPORT_FAULT if status == 400 else None))  # type: ignore[return-value]  # it has what aiohttp uses

    def log_exception(self, *args: object, **kw: Any) -> None:  # noqa: ANN401 - aiohttp's signature
        """Log the traceback without aiohttp's message, which names the client."""
        del args
        _log.error("an HTTP connection failed because of an error in the collector", exc_info=kw.get("exc_info", True))

    def pause_writing(self) -> None:
        """Give a client that does not read `write_seconds` to catch up."""
        super().pause_writing()
        self._places.waits(self)
        self._stalled = asyncio.get_running_loop().call_later(self._write_seconds, self.abort)

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        self._forget_stall()
        self._places.idles(self, is_sender=self._is_sender)
        super().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free the place of a client that has disconnected."""
        self._forget_stall()
        self._places.leave(self)
        self._gone.set()
        super().connection_lost(exc)

    async def linger(self) -> None:
        """Close the sending side, and wait up to LINGER_SECONDS until the client closes too."""
        transport = self.transport
        if transport is not None and transport.can_write_eof():  # not over TLS
            transport.write_eof()
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                await self._gone.wait()
        except TimeoutError:
            pass

    def _forget_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def exceeds_head_limits(request: web.BaseRequest) -> bool:
    """Return True for a complete head whose headers together are over the limit."""
    connection = request.protocol
    if isinstance(connection, Connection) and not connection.may_exceed:
        return False  # adding up the headers of every request would cost 1 % of its time
    return is_head_too_large(request)


class _LastAnswer:
    """The last answer of a connection: the client gets it before it sees the connection closed."""

    keep_alive: Final = False

    def __init__(self, connection: Connection, response: web.Response) -> None:
        self._connection, self._response = connection, response
        response.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the head. Raise ConnectionError when the client has disconnected."""
        await self._response.prepare(request)

    async def write_eof(self) -> None:
        """Write the rest, and wait for the client to read it."""
        await self._response.write_eof()
        await self._connection.linger()


class Listener(web.Server):
    """Makes a `Connection` for each accepted socket, while `ConnectionPlaces` has room."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[Answer]],
        *,
        places: ConnectionPlaces,
        idle_seconds: float,
        write_seconds: float,
    ) -> None:
        super().__init__(handler)  # type: ignore[arg-type]  # an Acknowledgement has what aiohttp uses
        self._places = places
        self._idle_seconds = idle_seconds
        self._write_seconds = write_seconds

    def __call__(self) -> Connection | None:  # type: ignore[override]  # only `ListeningSockets` calls it
        """Return the protocol of a new connection, or None when no place is free."""
        made = Connection(
            self,
            loop=self._loop,
            places=self._places,
            write_seconds=self._write_seconds,
            # Also bounds the time that a request's head may take.
            keepalive_timeout=self._idle_seconds,
            access_log=None,
            # `body.inflate` does it under our own limit.
            auto_decompress=False,
            lingering_time=LINGER_SECONDS,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            read_bufsize=READ_BUFFER_BYTES,
        )
        return made if self._places.take(made) else None
