"""The codec of every kind of journal: from a submission to bytes, and back in the assembler's process."""

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


def encode_submission(submission: Submission) -> bytes:
    """Return the bytes of a submission."""
    return _encoder.encode(submission)


def decode_entry(row: JournalEntry) -> Submission:
    """Return the submission of a journal entry.

    An entry that cannot be read (a damaged file) becomes a submission with one rejection. It ends as a dead letter, and
    does not stop the queue.
    """
    try:
        return _decoder.decode(row.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # The file is damaged, or another version wrote the entry. The events were acknowledged, so nothing is cut off.
        kept = base64.b64encode(row.body).decode()
        unreadable = Rejection(0, RejectReason.NOT_AN_EVENT, "the journal's row cannot be read", "default", kept)
        return Submission(hashlib.sha256(row.body).hexdigest()[:32], row.received_at, Source.PLUGIN, [], [unreadable])
