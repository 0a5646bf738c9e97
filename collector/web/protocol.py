"""One HTTP connection: aiohttp's, made quiet towards the log and firm towards clients that do not read or come in numbers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from collector.web.answers import answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from collector.web.answers import Answer

MAX_HEADERS: Final = 64
MAX_HEADER_BYTES: Final = 4096
READ_BUFFER_BYTES: Final = 64 << 10
"""aiohttp pauses a connection at twice this: what a client without credentials can make the collector hold."""

LINGER_SECONDS: Final = 2
"""How long the rest of a refused body is read and thrown away, so that the client sees the answer and not a reset."""

_log = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """Answers what is not HTTP in JSON, logs no traceback that quotes a client, and drops clients that do not read answers."""

    __slots__ = ("_stalled", "_write_seconds")

    def __init__(self, manager: Listener, *, write_seconds: float, **options: Any) -> None:  # noqa: ANN401 - handed through
        super().__init__(manager, **options)
        self._write_seconds = write_seconds
        self._stalled: asyncio.TimerHandle | None = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Replaces aiohttp's, whose answer and log line quote the request."""
        del exc, message
        if request.writer.output_size > 0:
            raise ConnectionError
        error = "this is not a valid HTTP request" if status == 400 else "internal error"
        response = answer(status, {"error": error})
        response.force_close()
        return response

    def log_exception(self, *args: object, **kw: Any) -> None:  # noqa: ANN401 - aiohttp's signature
        """Logs where it happened; aiohttp's words would name the client."""
        del args
        _log.error("connection failed", exc_info=kw.get("exc_info", True))

    def pause_writing(self) -> None:
        """The client does not read: it has `write_seconds` to catch up."""
        super().pause_writing()
        self._stalled = asyncio.get_running_loop().call_later(self._write_seconds, self._abort)

    def resume_writing(self) -> None:
        """The client read."""
        self._forget_stall()
        super().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client is gone."""
        self._forget_stall()
        super().connection_lost(exc)

    def _forget_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class _Refusal(asyncio.Protocol):
    """One connection too many: closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class Listener(web.Server):
    """Makes connections, at most so many at a time."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[Answer]],
        *,
        max_connections: int,
        idle_seconds: float,
        write_seconds: float,
    ) -> None:
        super().__init__(handler)  # type: ignore[arg-type]  # an Acknowledgement has what aiohttp uses
        self._max_connections = max_connections
        self._idle_seconds = idle_seconds
        self._write_seconds = write_seconds

    def has_room(self, coming: int = 0) -> bool:
        """True when one more connection may be made, beside so many that are on their way."""
        return len(self._connections) + coming < self._max_connections

    def __call__(self) -> web.RequestHandler:
        """Returns the protocol of a new connection."""
        if not self.has_room():
            return _Refusal()  # type: ignore[return-value]  # asyncio asks for a protocol only
        return Connection(
            self,
            loop=self._loop,
            write_seconds=self._write_seconds,
            # Also bounds the time that a request's head may take.
            keepalive_timeout=self._idle_seconds,
            access_log=None,
            # Inflated under our own limit instead.
            auto_decompress=False,
            lingering_time=LINGER_SECONDS,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            read_bufsize=READ_BUFFER_BYTES,
        )
