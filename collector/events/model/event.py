"""The types of an event: the row of `mail_events`, its closed sets, and the submission that carries it to the table.

Every type here is frozen data. Times are epoch milliseconds (UTC) unless the name has another unit.
`None` means "not known".
"""

from __future__ import annotations

from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable


class Action(StrEnum):
    """What happened (docs/events.md has ZoneMTA's word for each)."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    DROPPED = "dropped"
    REFUSED = "refused"
    DELETED = "deleted"
    DSN_QUEUED = "dsn_queued"
    SPAM_CHECKED = "spam_checked"
    VIRUS_CHECKED = "virus_checked"
    RELEASED = "released"
    STORED = "stored"
    MARKED_SPAM = "marked_spam"
    MARKED_HAM = "marked_ham"
    COMPLAINED = "complained"
    OTHER = "other"


class Source(StrEnum):
    """The source of an event. `dnsbl` sends results of DNS lists, which are never in `mail_events`."""

    PLUGIN = "plugin"
    BOUNCE = "bounce"
    WILDDUCK = "wildduck"
    ARF = "arf"
    CHANGE_STREAM = "change_stream"
    GELF = "gelf"
    DNSBL = "dnsbl"


class Direction(StrEnum):
    """The direction of a message. `outbound` includes entries without a sender field; `dsn` is mail with the null
    sender (RFC 5321, 4.5.5).
    """

    OUTBOUND = "outbound"
    DSN = "dsn"
    INBOUND = "inbound"


class Provider(StrEnum):
    """The mailbox provider, found by the MX host (`replies/provider.py`)."""

    GOOGLE = "google"
    MICROSOFT = "microsoft"
    YAHOO = "yahoo"
    APPLE = "apple"
    GMX = "gmx"
    PROTON = "proton"
    ZOHO = "zoho"
    FASTMAIL = "fastmail"
    YANDEX = "yandex"
    MAILRU = "mailru"
    NETEASE = "netease"
    TENCENT = "tencent"
    ORANGE = "orange"
    MIMECAST = "mimecast"
    PROOFPOINT = "proofpoint"
    CISCO = "cisco"
    BARRACUDA = "barracuda"
    SYMANTEC = "symantec"
    TRENDMICRO = "trendmicro"
    HORNETSECURITY = "hornetsecurity"
    SOPHOS = "sophos"
    TONLINE = "tonline"
    FREE = "free"
    LAPOSTE = "laposte"
    SFR = "sfr"
    CHARTER = "charter"
    ATT = "att"
    COMCAST = "comcast"
    LIBERO = "libero"
    SEZNAM = "seznam"
    WP = "wp"
    ONET = "onet"
    NAVER = "naver"
    DAUM = "daum"
    KPN = "kpn"
    YAHOO_JAPAN = "yahoo_japan"
    GODADDY = "godaddy"
    RACKSPACE = "rackspace"
    STRATO = "strato"
    OVH = "ovh"
    CLOUDFLARE = "cloudflare"
    AMAZON = "amazon"
    OTHER = "other"


class Reason(StrEnum):
    """Why a delivery was deferred or bounced (`replies/reason.py`; docs/events.md)."""

    UNKNOWN_USER = "unknown_user"
    MAILBOX_FULL = "mailbox_full"
    POLICY = "policy"
    REPUTATION = "reputation"
    RATE_LIMITED = "rate_limited"
    GREYLISTED = "greylisted"
    CONTENT = "content"
    AUTHENTICATION = "authentication"
    TLS = "tls"
    DNS = "dns"
    CONNECTION = "connection"
    SIZE = "size"
    EXPIRED = "expired"
    OTHER = "other"


class BounceKind(StrEnum):
    """What a bounce says about the address: hard (no such mailbox or domain), soft, or retries used up."""

    HARD = "hard"
    SOFT = "soft"
    EXPIRED = "expired"


class RejectReason(StrEnum):
    """Why an event cannot be stored: the label `reason` of rejections and dead letters."""

    NOT_AN_EVENT = "not_an_event"
    NO_ACTION = "no_action"
    NO_TIME = "no_time"
    TIME_AHEAD = "time_ahead"
    TIME_TOO_OLD = "time_too_old"
    BAD_ROW = "bad_row"
    UNREAD = "unread"


Timestamp: TypeAlias = Annotated[int, msgspec.Meta(extra={"column": "timestamptz"})]
"""Epoch milliseconds in Python, a timestamptz in the table."""


class MailEvent(msgspec.Struct, frozen=True, gc=False):
    """One row of `mail_events`; the fields are its columns, in the table's order.
    Strings hold no NUL and no lone surrogate, and at most `COLUMN_BYTES` bytes of UTF-8. An empty string is `None`.
    `raw` is JSON text: the fields of the entry that no column holds whole.
    """

    time: Timestamp
    cluster: str
    host: str | None
    event_id: str
    action: Action
    source: Source
    direction: Direction
    queue_id: str | None = None
    seq: str | None = None
    recipients: int | None = None
    message_id: str | None = None
    zone: str | None = None
    interface: str | None = None
    auth_user: str | None = None
    sender: str | None = None
    sender_domain: str | None = None
    return_path: str | None = None
    recipient: str | None = None
    recipient_domain: str | None = None
    mx_host: str | None = None
    mx_ip: str | None = None
    provider: Provider | None = None
    local_ip: str | None = None
    smtp_code: int | None = None
    enhanced_code: str | None = None
    category: str | None = None
    reason: Reason | None = None
    bounce_kind: BounceKind | None = None
    provider_code: str | None = None
    response: str | None = None
    response_pattern: str | None = None
    attempt: int | None = None
    next_attempt: Timestamp | None = None
    size_bytes: int | None = None
    smtp_ms: int | None = None
    queue_ms: int | None = None
    tls_version: str | None = None
    tls_authorized: bool | None = None
    spam_score: float | None = None
    fbl_id: str | None = None
    drop_reason: str | None = None
    subject_hmac: str | None = None
    raw: str | None = None
    received_at: Timestamp = 0


COLUMNS: tuple[str, ...] = MailEvent.__struct_fields__
"""The columns of `mail_events`, in order."""

COLUMN_BYTES = 1000
"""Limit of a text column. A longer value is cut between two characters, and stays whole in `raw`."""


Identity: TypeAlias = tuple[str, str, int]
"""(event_id, cluster, time): two rows of `mail_events` with the same identity are the same event."""


def identity(event: MailEvent) -> Identity:
    """Return the identity of the event."""
    return event.event_id, event.cluster, event.time


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One event in its sender's fields, after the checks of the border: it has a time within the limits, an action,
    a cluster, and clean strings.

    `index` is its index in the submission; `fields` is the log entry without its subject.
    """

    index: int
    time: int
    cluster: str
    host: str | None
    context: str | None
    fields: dict[str, Any]
    subject_hmac: str | None = None


class Group(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Entries of one submission with the same keys, types of values, action and origin.

    A row is an entry: `index`, `time` and `subject_hmac` as in `Entry`, then one value for each of `keys`.
    In this form thousands of entries need no dictionary each.
    """

    cluster: str
    host: str | None
    context: str | None
    keys: tuple[str, ...]
    rows: list[list[Any]]

    def entries(self) -> Iterable[Entry]:
        """Yield the rows as entries."""
        for index, time, subject_hmac, *values in self.rows:
            fields = dict(zip(self.keys, values, strict=True))
            yield Entry(index, time, self.cluster, self.host, self.context, fields, subject_hmac)


ROW_HEAD = 3
"""The number of values in a group's row before the values of its keys."""


class Rejection(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One event that cannot be stored.

    `index` is its index in the submission. `error` is for the sender, and quotes nothing of the event.
    `raw` is the event as JSON text without its subject, cut at 64 KiB.
    """

    index: int
    reason: RejectReason
    error: str
    cluster: str
    raw: str


class Heartbeat(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The heartbeat of a plugin process (docs/events.md, section 1).

    `process` is the random id of its spool. `oldest_unsent` is epoch ms or None. `dropped` is a count since the process
    began. `contexts` are the contexts of ZoneMTA that have loaded the plugin.
    """

    cluster: str
    host: str
    process: str
    version: str
    spool_bytes: int
    oldest_unsent: int | None
    dropped: int
    contexts: tuple[str, ...] = ()


class Submission(msgspec.Struct, frozen=True, array_like=True):
    """What one HTTP request, run of datagrams or batch of changes brought, decoded. The journal keeps it as msgpack.

    `request_id` is unique hex. Ids of dead letters derive from it, so that they are the same in each replay.
    `trace` is its span as a W3C traceparent, or None if it is not traced.

    It is an array in the journal: a new field goes to the end, with a default. An older version then ignores it.
    """

    request_id: str
    received_at: int
    source: Source
    groups: list[Group]
    rejections: list[Rejection]
    heartbeat: Heartbeat | None = None
    trace: str | None = None

    @property
    def count(self) -> int:
        """The number of entries."""
        return sum([len(group.rows) for group in self.groups])

    @property
    def entries(self) -> list[Entry]:
        """The entries in the sender's order. Each access builds them again."""
        found = [entry for group in self.groups for entry in group.entries()]
        found.sort(key=attrgetter("index"))
        return found

    @property
    def is_empty(self) -> bool:
        """True if it has nothing for the database."""
        return not self.groups and not self.rejections and self.heartbeat is None
