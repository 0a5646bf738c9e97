"""The answers of the server: JSON that quotes nothing of the request."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import HttpVersion11, web

from collector.errors import MangledError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.errors import RequestError
    from collector.events.model.event import Rejection

JSON: Final = "application/json"

MAX_REJECTED: Final = 1000
"""The most rejections that an answer lists. With more, the answer adds `rejected_total`."""

_encode: Final = msgspec.json.Encoder().encode


VERSION_HEADER: Final = "Duckwatch-Version"
"""On every answer. It shows the sender that the collector answered, not a proxy (docs/security.md, "Proxies")."""

TRANSPORT_FAULT: Final = {"Duckwatch-Fault": "transport"}
"""On a 400 about the framing or the gzip of a request. A proxy may have damaged it, so the sender keeps its events."""

_VERSION: Final = version("duckwatch")


def answer(status: int, content: object, headers: dict[str, str] | None = None) -> web.Response:
    """Return a JSON answer."""
    return respond(status, _encode(content), {"Content-Type": JSON, **(headers or {})})


def respond(status: int, body: bytes, headers: dict[str, str]) -> web.Response:
    """Return an answer of any content. Every answer except `Acknowledgement` is made here."""
    return web.Response(status=status, body=body, headers={VERSION_HEADER: _VERSION, **headers})


class Acknowledgement:
    """The answer 202 without rejections, which nearly every request gets. It is written in one piece.

    It has the parts of a response that aiohttp uses (`prepare`, `write_eof`, `keep_alive`), at a fifth of the cost.
    Only for HTTP/1.1 connections that stay open: it has no `Connection` header.
    """

    __slots__ = ("_body",)

    status: Final = 202
    keep_alive: Final = True

    def __init__(self, count: int) -> None:
        self._body = b'%d\r\n\r\n{"accepted":%d,"rejected":[]}' % (len(str(count)) + 27, count)

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the answer. Raise ConnectionError when the client has disconnected."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        transport.write(_ACKNOWLEDGED_HEAD % _date() + self._body)
        if request.protocol.writing_paused:
            # Wait for a client that sends without reading; otherwise its answers would pile up in memory.
            await request.writer.drain()

    async def write_eof(self) -> None:
        """Do nothing: `prepare` wrote all of the answer."""


Answer = web.Response | Acknowledgement

_ACKNOWLEDGED_HEAD: Final = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
    + f"{VERSION_HEADER}: {_VERSION}\r\n".encode()
    + b"Date: %s\r\nContent-Length: "
)
_ONE_ACCEPTED: Final = Acknowledgement(1)


def _date() -> bytes:
    """Return the Date header of RFC 9110, 6.6.1, formatted once a second."""
    return _date_of(int(time.time()))


@lru_cache(maxsize=2)
def _date_of(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()


def accepted(request: web.BaseRequest, count: int, rejections: Sequence[Rejection]) -> Answer:
    """Return 202: `count` events are on disk. Rejected events are named by their index in the request."""
    if not rejections and request.keep_alive and request.version == HttpVersion11:
        return _ONE_ACCEPTED if count == 1 else Acknowledgement(count)
    content: dict[str, Any] = {
        "accepted": count,
        "rejected": [{"index": one.index, "error": one.error} for one in rejections[:MAX_REJECTED]],
    }
    if len(rejections) > MAX_REJECTED:
        content["rejected_total"] = len(rejections)
    return answer(202, content)


def refused(error: RequestError) -> web.Response:
    """Return the answer to a request that raised RequestError."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MangledError):
        headers |= TRANSPORT_FAULT
    if error.status == 401:
        # RFC 9110, 11.6.1: a 401 must name a scheme; stock ZoneMTA and WildDuck can send Basic only.
        headers["WWW-Authenticate"] = 'Bearer realm="duckwatch", Basic realm="duckwatch"'
    if error.status == 415:
        headers["Accept-Encoding"] = "gzip"  # RFC 9110, 12.5.3
    response = answer(error.status, {"error": str(error)}, headers)
    if error.status == 408:
        response.force_close()
    return response


def unexpected() -> web.Response:
    """Return 500: the fault is the collector's, and the log has the traceback."""
    return answer(500, {"error": "internal error"})


def broken_off() -> web.Response:
    """Return 400: the body is not complete. The client has usually disconnected, and does not see it."""
    response = answer(400, {"error": "the body is not whole"}, TRANSPORT_FAULT)
    response.force_close()
    return response
