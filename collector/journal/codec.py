"""The codec: a request as the bytes that every kind of journal keeps, and back. The assembler's process decodes."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import msgspec

from collector.events.model.event import Rejection, RejectReason, Request, Source

if TYPE_CHECKING:
    from collector.events.model.batch import Row

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Request)


def encode(request: Request) -> bytes:
    """Return the bytes of a request."""
    return _encoder.encode(request)


def decode(row: Row) -> Request:
    """Return the request of a row.

    A row that cannot be read (a damaged file) becomes a rejection that says so.
    It reaches the dead letters and does not stop the queue.
    """
    try:
        return _decoder.decode(row.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # Whole, not cut: it was acknowledged. Damaged, or written by a version whose rows were others.
        kept = base64.b64encode(row.body).decode()
        unreadable = Rejection(0, RejectReason.NOT_AN_EVENT, "the journal's row cannot be read", "default", kept)
        return Request(hashlib.sha256(row.body).hexdigest()[:32], row.received_at, Source.PLUGIN, [], [unreadable])
