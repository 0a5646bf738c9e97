"""What the server says back: JSON that quotes nothing of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.errors import RequestError
    from collector.events.model import Rejection

JSON: Final = "application/json"

MAX_REJECTED: Final = 1000
"""So many rejections are told one by one; past it the answer adds `rejected_total`."""

_encode: Final = msgspec.json.Encoder().encode
_ONE_ACCEPTED: Final = _encode({"accepted": 1, "rejected": []})


def answer(status: int, content: object, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=_encode(content), content_type=JSON, headers=headers)


def accepted(count: int, rejections: Sequence[Rejection]) -> web.Response:
    """202: `count` events are durable, the rejected ones are named by their place in the request."""
    if count == 1 and not rejections:
        return web.Response(status=202, body=_ONE_ACCEPTED, content_type=JSON)
    content: dict[str, Any] = {
        "accepted": count,
        "rejected": [{"index": one.index, "error": one.error} for one in rejections[:MAX_REJECTED]],
    }
    if len(rejections) > MAX_REJECTED:
        content["rejected_total"] = len(rejections)
    return answer(202, content)


def refused(error: RequestError) -> web.Response:
    """The answer to a request that is at fault, or that comes at a bad time."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
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
    response = answer(400, {"error": "the body is not whole"})
    response.force_close()
    return response
