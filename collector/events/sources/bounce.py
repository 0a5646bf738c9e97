"""Reads a bounce of ZoneMTA's own plugin `core/http-bounce`, a form, into a log entry (docs/events.md, "The bounce
webhook"). Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from collector.errors import TooLargeError, UnreadableError
from collector.events.border.decoding import take
from collector.events.border.request_body import Body
from collector.events.model.event import Source

if TYPE_CHECKING:
    from collector.events.border.decoding import Border
    from collector.events.model.event import Submission

FIELDS: Final = {
    "id": "id",
    "seq": "seq",
    "to": "to",
    "returnPath": "from",
    "category": "category",
    "response": "response",
    "fbl": "fbl",
    "sessionId": "sessionId",
}
"""Maps the form's fields to an entry's; the form's `returnPath` is the entry's `from`. The ninth field is `time`."""

MAX_FIELDS: Final = 64
MAX_BYTES: Final = 256 << 10
"""ZoneMTA sends nine fields; the longest are a reply and a message's own X-FBL header."""

_TIME_DIGITS: Final = 16


def bounce(body: bytes, *, received_at: int, border: Border) -> Submission:
    """Return the submission of one bounce (`received_at` in epoch ms). Raise `UnreadableError` if it names no message,
    and `TooLargeError`.
    """
    if len(body) > MAX_BYTES:
        raise TooLargeError(f"a bounce is over {MAX_BYTES} bytes")
    form = _form(body)
    if not form.get("id"):
        raise UnreadableError("no bounce can be read: a form with an `id` is expected")
    told = {name: form[field] for field, name in FIELDS.items() if form.get(field)}
    # `from` is always set. It is empty for the null sender: the bounced message is then a DSN.
    entry = {"action": "REJECTED", "from": ""} | told
    item = {"time": _time(form.get("time"), received_at), "entry": entry}
    # A percent-encoded NUL is accepted, so the strings may not be clean.
    read = Body([item], is_clean=False)
    return take(read, received_at=received_at, source=Source.BOUNCE, border=border)


def _form(body: bytes) -> dict[str, str]:
    """Return the fields. The first value counts if a field comes twice. Invalid UTF-8 becomes U+FFFD; a broken
    percent-encoding stays unchanged.
    """
    text = body.decode("utf-8", "replace")
    try:
        pairs = parse_qsl(text, errors="replace", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise TooLargeError(f"a bounce has more than {MAX_FIELDS} fields") from None
    return dict(reversed(pairs))


def _time(written: str | None, received_at: int) -> int:
    """Return the form's time, else the receipt. The time is not needed to identify the bounce."""
    if written is None or not (written.isascii() and written.isdigit()) or len(written) > _TIME_DIGITS:
        return received_at
    return int(written)
