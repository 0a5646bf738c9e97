"""Stock ZoneMTA's `core/http-bounce`: a form-encoded bounce, in the words of a log entry (docs/events.md,
"The bounce webhook"). Pure.
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
"""The form's fields, in an entry's words: what it calls `returnPath` is the bounce's `from`. The ninth is `time`."""

MAX_FIELDS: Final = 64
MAX_BYTES: Final = 256 << 10
"""ZoneMTA sends nine fields; the longest are a reply and a message's own X-FBL header."""

_TIME_DIGITS: Final = 16


def bounce(body: bytes, *, received_at: int, border: Border) -> Submission:
    """Read one bounce (`received_at` in epoch ms). Raise `UnreadableError` when it names no message,
    and `TooLargeError`.
    """
    if len(body) > MAX_BYTES:
        raise TooLargeError(f"a bounce is over {MAX_BYTES} bytes")
    form = _form(body)
    if not form.get("id"):
        raise UnreadableError("no bounce can be read: a form with an `id` is expected")
    told = {name: form[field] for field, name in FIELDS.items() if form.get(field)}
    # Always there, and empty for the null sender: that makes it a report's bounce.
    entry = {"action": "REJECTED", "from": ""} | told
    item = {"time": _time(form.get("time"), received_at), "entry": entry}
    # A percent-encoded NUL is text here.
    read = Body([item], is_clean=False)
    return take(read, received_at=received_at, source=Source.BOUNCE, border=border)


def _form(body: bytes) -> dict[str, str]:
    """Return the fields; of one that comes twice, the first.
    What is no UTF-8 shows as U+FFFD, a broken percent-encoding as it is.
    """
    text = body.decode("utf-8", "replace")
    try:
        pairs = parse_qsl(text, errors="replace", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise TooLargeError(f"a bounce has more than {MAX_FIELDS} fields") from None
    return dict(reversed(pairs))


def _time(written: str | None, received_at: int) -> int:
    """Its stamp, else the receipt: it identifies nothing, and no bounce is lost for it."""
    if written is None or not (written.isascii() and written.isdigit()) or len(written) > _TIME_DIGITS:
        return received_at
    return int(written)
