"""The head of an HTTP request: how large it may be, and the answer to a head that aiohttp's parser refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp.http_exceptions import LineTooLong

if TYPE_CHECKING:
    from aiohttp import web

MAX_HEADERS: Final = 64
MAX_HEADER_BYTES: Final = 16 << 10
"""Names and values of all headers together."""

MAX_LINE_BYTES: Final = 8 << 10
MAX_HEAD_BYTES: Final = MAX_LINE_BYTES + MAX_HEADER_BYTES + 4 * MAX_HEADERS + 64
"""All that a request's head may be, with what stands between its parts:
counted while it comes in, since aiohttp bounds each header only.
"""

NO_HEAD: Final = b"\0"
"""What no head may hold: it has aiohttp's parser refuse the request, in its order behind those before it."""

_TOO_MANY: Final = "Too many headers"
"""aiohttp has no error class of its own for this (_http_parser.pyx); a test holds its text."""


class HeadRefusal(NamedTuple):
    """The answer: its status, and its text, which quotes nothing of the request."""

    status: int
    text: str


LARGE_HEADERS: Final = HeadRefusal(431, f"the headers are over {MAX_HEADER_BYTES} bytes, or more than {MAX_HEADERS}")
LONG_LINE: Final = HeadRefusal(414, f"the request line is over {MAX_LINE_BYTES} bytes")
NOT_HTTP: Final = HeadRefusal(400, "this is not a valid HTTP request")


def refusal_of(error: BaseException | None, head_bytes: int) -> HeadRefusal:
    """Return the answer to a head that aiohttp's parser refused with `error`; `head_bytes` of it had come."""
    if isinstance(error, LineTooLong) and error.args[1] == MAX_LINE_BYTES:
        return LONG_LINE
    is_large = isinstance(error, LineTooLong) or head_bytes > MAX_HEAD_BYTES
    is_large = is_large or str(getattr(error, "message", "")).startswith(_TOO_MANY)
    return LARGE_HEADERS if is_large else NOT_HTTP


def is_head_too_large(request: web.BaseRequest) -> bool:
    """Return True for a head that came whole, and whose headers are larger than all of them may be."""
    return sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEADER_BYTES
