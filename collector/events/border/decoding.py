"""Turns the bytes of a request into entries that hold the promises of `Entry`, and rejections with their reason."""

from __future__ import annotations

import math
import re
import secrets
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from collector.events.border.groups import Groups
from collector.events.border.heartbeat import heartbeat_of
from collector.events.border.json_values import TooDeepError, plain, plain_text
from collector.events.border.request_body import Body, RejectedItem, UnreadLine, read_body
from collector.events.model.event import Rejection, RejectReason, Source, Submission
from collector.events.privacy.hiding import hide

if TYPE_CHECKING:
    from collector.events.privacy.pseudonyms import Pseudonyms

DEFAULT_CLUSTER = "default"
LABEL_CHARACTERS = 255
KEPT_BYTES = 64 * 1024
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_EPOCH = datetime.fromtimestamp(0, UTC)
_MAY_HOLD_SUBJECT = re.compile(r"subject|\\u00[4-7]", re.IGNORECASE)
"""Where a line that is not JSON may begin to show a subject: the key, also if it is written with escapes."""


_requests = count()


class Border(msgspec.Struct, frozen=True):
    """The limits and settings for a request.

    `bound_cluster` is the cluster of the token, if it has one. `subject_key` is set if the HMAC of the subject is
    stored. `pseudonyms` is set if `privacy.pseudonymise` is on.
    """

    bound_cluster: str | None = None
    raw_retention_ms: int = 30 * DAY_MS
    subject_key: bytes | None = None
    pseudonyms: Pseudonyms | None = None
    max_parts: int = 1_000_000
    max_items: int = 20_000


def decode_body(
    body: bytes, *, received_at: int, source: Source, border: Border, request_id: str | None = None
) -> Submission:
    """Return the submission of a body in the format of docs/events.md, section 1 (`received_at` in epoch ms).
    Raise only `UnreadableError` and `TooLargeError`.
    """
    read = read_body(body, max_parts=border.max_parts, max_items=border.max_items)
    return take(read, received_at=received_at, source=source, border=border, request_id=request_id)


def take(read: Body, *, received_at: int, source: Source, border: Border, request_id: str | None = None) -> Submission:
    """Return the submission of items in the plugin's form. Never raises."""
    sorter = _Sorter(read, received_at, border)
    for index, item in enumerate(read.items):
        sorter.sort(index, item)
    submission = Submission(
        request_id=request_id or _new_id(),
        received_at=received_at,
        source=source,
        groups=sorter.groups.filled(),
        rejections=sorter.rejections,
        heartbeat=heartbeat_of(read.envelope.get("plugin"), cluster=sorter.cluster, host=sorter.host),
    )
    return submission if border.pseudonyms is None else hide(submission, border.pseudonyms)


def _new_id() -> str:
    return f"{_id_prefix()}{next(_requests) & 0xFFFFFFFFFF:010x}"


@cache
def _id_prefix() -> str:
    """Return 88 random bits of this process. Fresh bits for each request would release the interpreter's lock."""
    return secrets.token_hex(11)


class _Sorter:
    """Sorts a body's items into entries and rejections."""

    __slots__ = ("border", "cluster", "groups", "host", "latest", "oldest", "rejections")

    def __init__(self, read: Body, received_at: int, border: Border) -> None:
        self.border = border
        self.cluster = border.bound_cluster or _label(read.envelope.get("cluster")) or DEFAULT_CLUSTER
        self.host = _label(read.envelope.get("host"))
        self.latest = received_at + HOUR_MS
        # Two chunks of a day each: an older event could go into a chunk that the retention is about to drop.
        self.oldest = received_at - (border.raw_retention_ms - 2 * DAY_MS)
        self.groups = Groups(is_clean=read.is_clean, subject_key=border.subject_key)
        self.rejections: list[Rejection] = []

    def sort(self, index: int, item: object) -> None:
        """Add one item as an entry or a rejection. A QUEUE_POLL is ignored."""
        if type(item) is not dict:
            error = item.error if type(item) is RejectedItem else "not an object"
            self._reject(index, item, RejectReason.NOT_AN_EVENT, error)
            return
        is_bare = "entry" not in item
        fields = item if is_bare else item["entry"]
        if type(fields) is not dict:
            self._reject(index, item, RejectReason.NOT_AN_EVENT, "`entry` is not an object")
            return
        action = fields.get("action")
        if type(action) is not str or not action:
            self._reject(index, item, RejectReason.NO_ACTION, "no `action`")
        elif action != "QUEUE_POLL":
            time = _time(item, fields, is_bare=is_bare)
            if time is None or not self.oldest <= time <= self.latest:
                self._reject_time(index, item, time)
            else:
                self._add(index, time, {} if is_bare else item, fields)

    def _add(self, index: int, time: int, event: dict[str, Any], fields: dict[str, Any]) -> None:
        host, context = event.get("host"), event.get("context")
        origin = (
            self._cluster(event),
            self.host if host is None else _label(host) or self.host,
            None if context is None else _label(context),
        )
        try:
            self.groups.add(origin, index, time, fields)
        except TooDeepError as error:
            self._reject(index, event or fields, RejectReason.NOT_AN_EVENT, str(error))

    def _cluster(self, event: dict[str, Any]) -> str:
        if "cluster" in event and self.border.bound_cluster is None:
            return _label(event["cluster"]) or self.cluster
        return self.cluster

    def _reject_time(self, index: int, item: dict[str, Any], time: int | None) -> None:
        if time is None:
            self._reject(index, item, RejectReason.NO_TIME, "no time: a number of epoch milliseconds")
        elif time > self.latest:
            self._reject(index, item, RejectReason.TIME_AHEAD, "the time is more than an hour ahead")
        else:
            self._reject(index, item, RejectReason.TIME_TOO_OLD, "the time is older than what is kept")

    def _reject(self, index: int, item: object, reason: RejectReason, error: str) -> None:
        event: dict[str, Any] = item if type(item) is dict and "entry" in item else {}
        self.rejections.append(Rejection(index, reason, error, self._cluster(event), _kept(item)))


def _label(value: object) -> str | None:
    return _label_text(value[:LABEL_CHARACTERS]) if type(value) is str and value else None


@lru_cache(maxsize=256)
def _label_text(text: str) -> str:
    return plain_text(text)


def _time(item: dict[str, Any], fields: dict[str, Any], *, is_bare: bool) -> int | None:
    """Return the time in epoch ms: the event's `time`, else the entry's own `created`."""
    stamp = None if is_bare else item.get("time")
    if stamp is not None:
        return _epoch_ms(stamp)
    created = fields.get("created")
    return _iso_ms(created) if type(created) is str else _epoch_ms(created)


def _epoch_ms(value: object) -> int | None:
    if type(value) is int:
        return value
    if type(value) is float and math.isfinite(value):
        return math.floor(value)
    return None


def _iso_ms(text: str) -> int | None:
    """Return the epoch ms of an ISO 8601 time with a zone (a JavaScript Date in JSON), rounded down."""
    try:
        moment = datetime.fromisoformat(text[:64])
        return (moment - _EPOCH) // timedelta(milliseconds=1) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _kept(item: object) -> str:
    """Return the event as a rejection keeps it: JSON without a subject, cut at 64 KiB."""
    if isinstance(item, RejectedItem):
        item = item.item
    elif isinstance(item, UnreadLine):
        shown = _MAY_HOLD_SUBJECT.search(item.text)
        item = item.text[: shown.start()] if shown else item.text
    text = msgspec.json.encode(plain(item, prune=True))
    return text[:KEPT_BYTES].decode("utf-8", "ignore")
