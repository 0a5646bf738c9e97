"""What the server says back: JSON that quotes nothing of the request."""

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
"""So many rejections are told one by one; past it the answer adds `rejected_total`."""

_encode: Final = msgspec.json.Encoder().encode


VERSION_HEADER: Final = "Duckwatch-Version"
"""On every answer: it tells a sender that the collector speaks,
and not a proxy before it (docs/security.md, "Proxies").
"""

TRANSPORT_FAULT: Final = {"Duckwatch-Fault": "transport"}
"""On a 400 about the request as it came (its framing, its gzip):
something on the way may have broken it, so the sender keeps its events.
"""

_VERSION: Final = version("duckwatch")


def answer(status: int, content: object, headers: dict[str, str] | None = None) -> web.Response:
    """Return a JSON answer."""
    return respond(status, _encode(content), {"Content-Type": JSON, **(headers or {})})


def respond(status: int, body: bytes, headers: dict[str, str]) -> web.Response:
    """Return an answer of any content: all answers but `Acknowledgement` are made here."""
    return web.Response(status=status, body=body, headers={VERSION_HEADER: _VERSION, **headers})


class Acknowledgement:
    """202 for events that are all good, written in one piece: what nearly every request gets.

    Has what aiohttp asks of a response (`prepare`, `write_eof`, `keep_alive`) and costs a fifth of its own.
    For HTTP/1.1 connections that stay open, since it says nothing of either.
    """

    __slots__ = ("_body",)

    status: Final = 202
    keep_alive: Final = True

    def __init__(self, count: int) -> None:
        self._body = b'%d\r\n\r\n{"accepted":%d,"rejected":[]}' % (len(str(count)) + 27, count)

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the answer. Raise ConnectionError when the client is gone."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        transport.write(_ACKNOWLEDGED_HEAD % _date() + self._body)
        if request.protocol.writing_paused:
            # A client that sends without reading waits here, or its answers would pile up.
            await request.writer.drain()

    async def write_eof(self) -> None:
        """Nothing is left to write."""


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
    """202: `count` events are durable, the rejected ones are named by their place in the request."""
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
    """Return the answer to a request that is at fault, or that comes at a bad time."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MangledError):
        headers |= TRANSPORT_FAULT
    if error.status == 401:
        # RFC 9110, 11.6.1: a 401 must name a scheme; stock ZoneMTA and WildDuck can send Basic only.
        headers["WWW-Authenticate"] = 'Bearer realm="duckwatch", Basic realm="duckwatch"'
    response = answer(error.status, {"error": str(error)}, headers)
    if error.status == 408:
        response.force_close()
    return response


def unexpected() -> web.Response:
    """500: the fault is the collector's; the log has its place."""
    return answer(500, {"error": "internal error"})


def broken_off() -> web.Response:
    """400: the body did not come whole. Seldom read, since the client is gone as a rule."""
    response = answer(400, {"error": "the body is not whole"}, TRANSPORT_FAULT)
    response.force_close()
    return response
