"""Decodes a complete GELF message: inflates it within a limit, and reads its JSON object. Pure."""

from __future__ import annotations

import zlib
from enum import StrEnum
from typing import Any, Final, NamedTuple

from collector.events.border.request_body import read_value

MAX_BYTES: Final = 1 << 20
"""Limit for a message, also when inflated. Graylog's limit is 2 MiB; a delivery has a few hundred bytes."""

_GZIP: Final = b"\x1f\x8b"
_ANY_HEADER: Final = 32 + zlib.MAX_WBITS
"""With this value zlib detects the gzip header and its own."""


class MessageResult(StrEnum):
    """The result of a message: the label of `duckwatch_gelf_messages_total` (docs/metrics.md)."""

    TAKEN = "taken"
    IGNORED = "ignored"
    UNREADABLE = "unreadable"
    INCOMPLETE = "incomplete"
    REFUSED_ADDRESS = "refused_address"
    TOO_LARGE = "too_large"
    OVERLOADED = "overloaded"
    OVERRUN = "overrun"


class DecodedMessage(NamedTuple):
    """A message and its size in bytes. `is_clean` is True if no string in it can hold NUL or a lone surrogate."""

    message: dict[str, Any]
    size: int
    is_clean: bool


def read_message(data: bytes) -> DecodedMessage | MessageResult:
    """Return the message of a JSON text, or the reason why it has none."""
    if len(data) > MAX_BYTES:
        return MessageResult.TOO_LARGE
    try:
        value, is_clean = read_value(data)
    except ValueError:
        return MessageResult.UNREADABLE
    return DecodedMessage(value, len(data), is_clean) if type(value) is dict else MessageResult.UNREADABLE


def read_packed(data: bytes) -> DecodedMessage | MessageResult:
    """Return the same for a message that may be compressed with gzip or zlib, as its first bytes show.
    Hold at most `MAX_BYTES` of it.
    """
    if not _is_packed(data):
        return read_message(data)
    inflating = zlib.decompressobj(_ANY_HEADER)
    try:
        text = inflating.decompress(data, MAX_BYTES + 1)
    except zlib.error:
        return MessageResult.UNREADABLE
    if len(text) > MAX_BYTES:
        return MessageResult.TOO_LARGE
    return read_message(text) if inflating.eof else MessageResult.UNREADABLE


def _is_packed(data: bytes) -> bool:
    # RFC 1950: deflate is method 8, and the first two bytes are a multiple of 31. No JSON text begins like this.
    is_zlib = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
    return is_zlib or data.startswith(_GZIP)
