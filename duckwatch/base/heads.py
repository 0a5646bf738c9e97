"""The head of an HTTP request: its size limits, and the answer to a head that aiohttp's parser refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp.http_exceptions import LineTooLong

if TYPE_CHECKING:
    from aiohttp import web

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


def refusal_of(error: BaseException | None, head_bytes: int) -> HeadRefusal:
    """Return the answer to a head that aiohttp's parser refused with `error` after `head_bytes` bytes of it."""
    if isinstance(error, LineTooLong) and error.args[1] == MAX_LINE_BYTES:
        return LONG_LINE
    is_large = isinstance(error, LineTooLong) or head_bytes > MAX_HEAD_BYTES
    is_large = is_large or str(getattr(error, "message", "")).startswith(_TOO_MANY)
    return LARGE_HEADERS if is_large else NOT_HTTP


def is_head_too_large(request: web.BaseRequest) -> bool:
    """Return True for a complete head whose headers are together larger than MAX_HEADER_BYTES."""
    return sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEADER_BYTES
