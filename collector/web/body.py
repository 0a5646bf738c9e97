"""Read a request's body within its size limit (also when inflated), the bytes in flight, and its time limit."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final

from aiohttp import HttpVersion11, hdrs

from collector.errors import (
    MangledError,
    OverloadedError,
    TooLargeError,
    TooSlowError,
    UnexpectedError,
    UnreadableError,
    UnsupportedError,
)
from collector.web.limits import RETRY_SECONDS
from collector.web.protocol import Connection

if TYPE_CHECKING:
    from aiohttp import web

    from collector.web.limits import Lease

_GZIP: Final = frozenset({"gzip", "x-gzip"})
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_INFLATE_STEP: Final = 256 << 10

LENGTH_HEADER: Final = "Duckwatch-Length"
"""The length of the body as its sender wrote it, before any encoding. Each proxy may change `Content-Length`."""

MAX_GZIP_MEMBERS: Final = 64
"""RFC 1952 allows any number. Each empty member costs a copy of all bytes after it."""


class BodyReader:
    """Reads bodies of at most `body_bytes`, within `read_seconds` each."""

    def __init__(self, body_bytes: int, read_seconds: float) -> None:
        self._limit = body_bytes
        self._seconds = read_seconds
        self._reading: set[asyncio.Timeout] = set()
        self._stopping = False

    async def read(self, request: web.BaseRequest, lease: Lease) -> bytes:
        """Return the body, inflated. Raise what `receive` and `inflated` raise."""
        return self.inflated(request, await self.receive(request, lease), lease)

    def inflated(self, request: web.BaseRequest, body: bytes, lease: Lease) -> bytes:
        """Return a received body, inflated if it is gzip. Raise TooLargeError, OverloadedError, UnreadableError."""
        return inflate(body, self._limit, lease) if _is_gzip(request) else body

    async def receive(self, request: web.BaseRequest, lease: Lease) -> bytes:
        """Return the body as it came, not inflated.

        Raise TooLargeError, UnsupportedError, UnexpectedError, OverloadedError, TooSlowError;
        and ConnectionError or aiohttp's payload errors when the client disconnects.
        """
        _is_gzip(request)  # raises for an unknown encoding, before the body is read
        if hdrs.EXPECT in request.headers:
            _check_expectation(request)
        length = request.content_length
        if length is not None:
            self._check(length)
            lease.grow(length)
        if request.content.is_eof():
            body = request.content.read_nowait()
            if length is None:
                self._check(len(body))
                lease.grow(len(body))
        else:
            body = await self._wait_for(request, lease, is_announced=length is not None)
        return body

    def stop(self) -> None:
        """End all reads: a request whose body is not complete now is answered 503."""
        self._stopping = True
        now = asyncio.get_running_loop().time()
        for deadline in self._reading:
            deadline.reschedule(now)

    async def _wait_for(self, request: web.BaseRequest, lease: Lease, *, is_announced: bool) -> bytes:
        await _say_continue(request)
        connection = request.protocol
        if not isinstance(connection, Connection):
            return await self._gather(request, lease, is_announced=is_announced)
        connection.waits_for_client()
        try:
            return await self._gather(request, lease, is_announced=is_announced)
        finally:
            connection.works()

    async def _gather(self, request: web.BaseRequest, lease: Lease, *, is_announced: bool) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(0 if self._stopping else self._seconds) as deadline:
                self._reading.add(deadline)
                try:
                    while chunk := await request.content.readany():
                        self._check(len(body) + len(chunk))
                        if not is_announced:
                            lease.grow(len(chunk))
                        body += chunk
                finally:
                    self._reading.discard(deadline)
        except TimeoutError:
            if self._stopping:
                raise OverloadedError("the collector is shutting down", retry_after=RETRY_SECONDS) from None
            raise TooSlowError("the body did not arrive in time") from None
        return bytes(body)

    def _check(self, size_bytes: int) -> None:
        if size_bytes > self._limit:
            raise TooLargeError(f"the body is over {self._limit} bytes")


def require_whole_body(request: web.BaseRequest, body: bytes) -> None:
    """Raise MangledError if the length of the body differs from the header `Duckwatch-Length`.

    Only for a body that could not be decoded: a proxy may write the same JSON with another length.
    """
    if request.headers.get(LENGTH_HEADER, str(len(body))).strip() != str(len(body)):
        raise MangledError("the body is not as long as its sender wrote it")


def _is_gzip(request: web.BaseRequest) -> bool:
    if hdrs.CONTENT_ENCODING not in request.headers:
        return False
    # A proxy may add a line of its own: several lines are one list (RFC 9110, 5.3).
    encoding = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING))
    codings = [one for part in encoding.split(",") if (one := part.strip().lower()) not in {"", "identity"}]
    if not codings:
        return False
    if len(codings) == 1 and codings[0] in _GZIP:
        return True
    raise UnsupportedError("the content encoding must be gzip or none")


def _check_expectation(request: web.BaseRequest) -> str:
    """Return `100-continue` if the client waits for it before it sends its body, else "". Raise UnexpectedError.

    An `Expect` of an HTTP/1.0 client is ignored (RFC 9110, 10.1.1).
    """
    expected = request.headers.get(hdrs.EXPECT, "").strip().lower()
    if not expected or request.version < HttpVersion11:
        return ""
    if expected != "100-continue":
        raise UnexpectedError("only 100-continue can be expected")
    return expected


async def _say_continue(request: web.BaseRequest) -> None:
    """Send `100 Continue` (RFC 9110, 10.1.1). Without it, curl waits a second before it sends a large body."""
    if _check_expectation(request):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # Otherwise aiohttp would believe that the final answer has begun.
        request.writer.output_size = 0


def inflate(body: bytes, limit_bytes: int, lease: Lease) -> bytes:
    """Return the inflated body, and hold at most `limit_bytes` of it.
    Raise TooLargeError, OverloadedError, UnreadableError.
    """
    inflated = bytearray()
    rest = body
    for _ in range(MAX_GZIP_MEMBERS):
        member = zlib.decompressobj(wbits=_GZIP_WINDOW)
        while not member.eof:
            try:
                part = member.decompress(rest, _INFLATE_STEP)
            except zlib.error:
                raise MangledError("the body is not gzip") from None
            if len(inflated) + len(part) > limit_bytes:
                raise TooLargeError(f"the body is over {limit_bytes} bytes when inflated")
            lease.grow(len(part))
            inflated += part
            rest = member.unconsumed_tail
            if not part and not rest and not member.eof:
                raise MangledError("the gzip body ends early")
        # Programs that write in blocks, as to a tape, pad with zeros; gzip(1) skips them too.
        rest = member.unused_data.lstrip(b"\0")
        if not rest:
            return bytes(inflated)
    raise UnreadableError("the gzip body has too many members")
