"""The head of an HTTP request: its size limits, and the answer to a head that aiohttp's parser refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import HttpVersion10, HttpVersion11, hdrs
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import _ErrInfo

if TYPE_CHECKING:
    from collections.abc import MutableSequence

    from aiohttp import StreamReader, web
    from aiohttp.http_parser import RawRequestMessage

    ParsedRequest = tuple[RawRequestMessage | _ErrInfo, StreamReader]

MAX_HEADERS: Final = 64
MAX_HEADER_BYTES: Final = 16 << 10
"""Most bytes of all header names and values together."""

MAX_LINE_BYTES: Final = 8 << 10
MAX_HEAD_BYTES: Final = MAX_LINE_BYTES + MAX_HEADER_BYTES + 4 * MAX_HEADERS + 64
"""Most bytes of a whole head, separators included. Counted as it arrives, because aiohttp limits only each header."""

NO_HEAD: Final = b"\0"
"""A byte that no head may hold. Fed to aiohttp's parser, it makes the parser refuse the request after earlier ones."""

_TOO_MANY: Final = "Too many headers"
"""Begin of aiohttp's message; it has no error class for this (_http_parser.pyx). A test checks the text."""


class HeadRefusal(NamedTuple):
    """The answer to a refused head. The text quotes nothing of the request."""

    status: int
    text: str


LARGE_HEADERS: Final = HeadRefusal(431, f"the headers are over {MAX_HEADER_BYTES} bytes, or more than {MAX_HEADERS}")
LONG_LINE: Final = HeadRefusal(414, f"the request line is over {MAX_LINE_BYTES} bytes")
NOT_HTTP: Final = HeadRefusal(400, "this is not a valid HTTP request")
OTHER_CODING: Final = HeadRefusal(501, "the transfer coding must be chunked or none")
OTHER_VERSION: Final = HeadRefusal(505, "the version must be HTTP/1.1 or HTTP/1.0")


class UnsupportedHeadError(Exception):
    """A head that aiohttp's parser takes, and this server does not support."""

    def __init__(self, refusal: HeadRefusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.text)


def settle(requests: MutableSequence[ParsedRequest]) -> None:
    """Replace what aiohttp's parser has read and this server cannot serve as it is.

    - Another version than 1.0 and 1.1 is refused: aiohttp would answer with the version of the request.
    - A transfer coding beside chunked is refused (RFC 9112, 6.1): aiohttp would give the coded bytes.
    - After an upgrade that aiohttp does not know (h2c), the connection closes with the answer: the parser discards
      what came behind such a request (`HPE_PAUSED_UPGRADE` in aiohttp's _http_parser.pyx), so a pipelined request
      would wait for ever.
    """
    for index, (message, _) in enumerate(requests):
        if isinstance(message, _ErrInfo):
            continue
        if message.version not in (HttpVersion11, HttpVersion10):
            requests[index] = _refused(OTHER_VERSION)
        elif message.chunked and _is_coded(message):
            requests[index] = _refused(OTHER_CODING)
        elif message.upgrade and message.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
            requests[index] = (message._replace(should_close=True), requests[index][1])


def _refused(refusal: HeadRefusal) -> ParsedRequest:
    return _ErrInfo(status=400, exc=UnsupportedHeadError(refusal), message=""), EMPTY_PAYLOAD


def _is_coded(message: RawRequestMessage) -> bool:
    """Return True if a transfer coding is neither chunked nor the former `identity` (RFC 2616, 3.6)."""
    codings = ",".join(message.headers.getall(hdrs.TRANSFER_ENCODING, [])).lower().split(",")
    return any(coding.strip() not in ("", "chunked", "identity") for coding in codings)


_WEIGHT: Final = re.compile(r"q=([01](\.[0-9]{0,3})?)", re.ASCII)


def weight_of(header: str, *names: str) -> float:
    """Return the weight of what a header `Accept` or `Accept-Encoding` names, by the first of these names that it has
    (RFC 9110, 12.4.2). 0 means not acceptable, also if the header has none of them.
    """
    weights: dict[str, float] = {}
    for one in header.lower().split(","):
        name, *parameters = (part.strip() for part in one.split(";"))
        given = next(filter(None, map(_WEIGHT.fullmatch, parameters)), None)
        weights[name] = max(weights.get(name, 0.0), 1.0 if given is None else float(given[1]))
    return next((weights[name] for name in names if name in weights), 0.0)


def prefers(accept: str, media: str) -> bool:
    """Return True if `Accept` takes this media type at least as gladly as plain text."""
    return weight_of(accept, media) > 0 and weight_of(accept, media) >= weight_of(accept, "text/plain")


def refusal_of(error: BaseException | None, head_bytes: int) -> HeadRefusal:
    """Return the answer to a head that aiohttp's parser, or `settle`, refused with `error` after `head_bytes` bytes."""
    if isinstance(error, UnsupportedHeadError):
        return error.refusal
    if isinstance(error, LineTooLong) and error.args[1] == MAX_LINE_BYTES:
        return LONG_LINE
    is_large = isinstance(error, LineTooLong) or head_bytes > MAX_HEAD_BYTES
    is_large = is_large or str(getattr(error, "message", "")).startswith(_TOO_MANY)
    return LARGE_HEADERS if is_large else NOT_HTTP


def is_head_too_large(request: web.BaseRequest) -> bool:
    """Return True for a complete head whose headers are together larger than MAX_HEADER_BYTES."""
    return sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEADER_BYTES
