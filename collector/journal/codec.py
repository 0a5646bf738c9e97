"""The codec: a request as the bytes that every kind of journal keeps, and back. The assembler's process decodes."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import msgspec

from collector.events.model.event import Rejection, RejectReason, Source, Submission

if TYPE_CHECKING:
    from collector.events.model.batch import JournalEntry

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Submission)


def encode(submission: Submission) -> bytes:
    """Return the bytes of a request."""
    return _encoder.encode(submission)


def decode(row: JournalEntry) -> Submission:
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
        return Submission(hashlib.sha256(row.body).hexdigest()[:32], row.received_at, Source.PLUGIN, [], [unreadable])
