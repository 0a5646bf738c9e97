"""Splits a MIME message into parts, without recursion and within limits, because a hostile message may try to exhaust
the parser. Pure.

Only headers are parsed (by Python's own parser, which accepts any bytes). A body stays encoded until `content`.
"""

from __future__ import annotations

import binascii
import re
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from email.message import Message

MAX_HEADER_BYTES: Final = 64 << 10
MAX_HEADERS: Final = 1000
MAX_PARTS: Final = 32
"""Limit for all parts of a message, at every depth together. A complaint has three."""

MAX_DEPTH: Final = 3
"""Limit for nested multiparts. A forwarded complaint is in a second one."""

_TYPE_CHARACTERS: Final = 300
_TYPE: Final = re.compile(r"[^\s/;]{1,100}/[^\s/;]{1,100}")
_COMMENT: Final = re.compile(r"\([^()]*+\)")

_PARSER: Final = BytesHeaderParser(policy=compat32)
_BLANK: Final = re.compile(rb"(?:\A|\r?\n)\r?\n")
_QUOTED: Final = re.compile(rb"=(?:([0-9A-Fa-f]{2})|[ \t]*\r?\n)")


class Part(NamedTuple):
    """One part: its headers and its encoded body."""

    headers: Message
    body: bytes

    @property
    def kind(self) -> str:
        """The content type in lower case, without comments and spaces; `text/plain` if it is not valid."""
        said = str(self.headers.get("Content-Type", ""))[:_TYPE_CHARACTERS].partition(";")[0]
        kind = "".join(_COMMENT.sub(" ", said).split()).lower()
        return kind if _TYPE.fullmatch(kind) else self.headers.get_default_type()

    def text(self, name: str) -> str | None:
        """Return the first header with this name, unfolded. Bytes that are not text become U+FFFD."""
        values = self.texts(name)
        return values[0] if values else None

    def texts(self, name: str) -> list[str]:
        """Return the headers with this name that are not empty."""
        found = [" ".join(str(value).split()) for value in self.headers.get_all(name, [])]
        return [value for value in found if value]

    def content(self) -> bytes:
        """Return the decoded body. Broken parts of the transfer encoding are skipped."""
        said = _COMMENT.sub(" ", str(self.headers.get("Content-Transfer-Encoding", ""))[:_TYPE_CHARACTERS])
        match said.partition(";")[0].strip().lower():
            case "base64":
                clean = re.sub(rb"[^A-Za-z0-9+/]", b"", self.body)
                clean = clean[:-1] if len(clean) % 4 == 1 else clean
                return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))
            case "quoted-printable":
                return _QUOTED.sub(lambda found: bytes([int(found[1], 16)]) if found[1] else b"", self.body)
            case _:
                return self.body


def read_part(message: bytes) -> Part:
    """Split a message or a part into headers and body. Headers beyond the limits are ignored."""
    blank = _BLANK.search(message)
    head, body = (message, b"") if blank is None else (message[: blank.start()], message[blank.end() :])
    lines = head[:MAX_HEADER_BYTES].splitlines(keepends=True)[:MAX_HEADERS]
    return Part(_PARSER.parsebytes(b"".join(lines)), body)


def leaves(message: Part) -> list[Part]:
    """Return up to `MAX_PARTS` parts that are not multiparts, in order. An attached message is one part."""
    found: list[Part] = []
    waiting = [(message, 0)]
    seen = 0
    while waiting and seen < MAX_PARTS:
        part, depth = waiting.pop(0)
        seen += 1
        boundary = part.headers.get_boundary() if part.kind.startswith("multipart/") else None
        if boundary and depth < MAX_DEPTH:
            waiting = [(read_part(piece), depth + 1) for piece in _pieces(part.body, boundary)] + waiting
        else:
            found.append(part)
    return found


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """Return the parts between the boundary lines (RFC 2046, 5.1.1). The last boundary may be missing."""
    mark = re.escape(boundary.encode("utf-8", "replace")[:200])
    line = re.compile(rb"(?:\A|\r?\n)--" + mark + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    pieces: list[bytes] = []
    start: int | None = None
    for found in line.finditer(body):
        if start is not None:
            pieces.append(body[start : found.start()])
        # A part begins behind the end of the boundary line.
        start = found.end() + (2 if body[found.end() : found.end() + 2] == b"\r\n" else 1)
        if found[1] or len(pieces) >= MAX_PARTS:
            return pieces
    if start is not None:
        pieces.append(body[start:])
    return pieces
