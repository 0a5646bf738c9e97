"""The rows of the tables beside `mail_events`: their columns and keys."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003  # msgspec reads the annotations, to read a row back
from typing import TYPE_CHECKING, ClassVar, LiteralString

import msgspec

from collector.events.model.event import MailEvent, Source

if TYPE_CHECKING:
    from collector.events.model.precedence import Slot


class Record(msgspec.Struct, frozen=True, gc=False):
    """A row of the table `TABLE`; the fields are its columns.
    As in `MailEvent`, times (`TIMES`) are epoch milliseconds, strings hold no NUL and no lone surrogate,
    and `DOCUMENTS` are JSON text. A row is new if the table has none with the same `KEY`.
    """

    TABLE: ClassVar[LiteralString]
    KEY: ClassVar[tuple[LiteralString, ...]]
    TIMES: ClassVar[frozenset[str]] = frozenset({"time", "received_at"})
    DOCUMENTS: ClassVar[frozenset[str]] = frozenset({"raw"})
    IS_ORDERED: ClassVar[bool] = False
    """True if rows are ordered by `received_at`. It is then the time of the database's clock."""

    cluster: str
    received_at: int

    @property
    def origin(self) -> Source:
        """The source that sent it."""
        raise NotImplementedError

    @property
    def key(self) -> tuple[object, ...]:
        """The values of the columns `KEY`."""
        return tuple(getattr(self, name) for name in self.KEY)


class HeldEvent(Record, frozen=True, gc=False):
    """An event of a backup source that waits until it is clear that no better source fills its slot, or that has been
    stored and may be taken over.

    `event` is the row to store. `is_unsendable` is True if ZoneMTA has no hook for the event, so that the plugin cannot
    send it.
    """

    TABLE: ClassVar[LiteralString] = "held_events"
    KEY: ClassVar[tuple[LiteralString, ...]] = ("cluster", "queue_id", "seq", "slot", "source")
    IS_ORDERED: ClassVar[bool] = True

    queue_id: str
    seq: str
    slot: str
    source: Source
    time: int
    event: MailEvent
    is_unsendable: bool = False

    @classmethod
    def of(cls, event: MailEvent, slot: Slot, *, is_unsendable: bool = False) -> HeldEvent:
        """Return the held event for a slot that the event fills."""
        place = slot.cluster, event.received_at, slot.queue_id, slot.seq, slot.name
        return cls(*place, event.source, event.time, event, is_unsendable)

    @property
    def origin(self) -> Source:
        """The source that sent it."""
        return self.source


class AuditEvent(Record, frozen=True, gc=False):
    """An event of a WildDuck webhook (docs/events.md, "WildDuck's webhooks")."""

    TABLE: ClassVar[LiteralString] = "audit_events"
    KEY: ClassVar[tuple[LiteralString, ...]] = ("cluster", "event_id", "time")

    time: int
    event_id: str
    ev: str
    user_id: str | None = None
    mailbox: str | None = None
    message: str | None = None
    raw: str | None = None

    @property
    def origin(self) -> Source:
        """The source that sent it."""
        return Source.WILDDUCK


class AuthEvent(Record, frozen=True, gc=False):
    """A number of similar logins, `count` (docs/events.md, "Logins")."""

    TABLE: ClassVar[LiteralString] = "auth_events"
    KEY: ClassVar[tuple[LiteralString, ...]] = ("cluster", "event_id", "time")

    time: int
    event_id: str
    source: Source
    protocol: str
    result: str
    user_id: str | None = None
    username: str | None = None
    source_ip: str | None = None
    count: int = 1
    raw: str | None = None

    @property
    def origin(self) -> Source:
        """The source that sent it."""
        return self.source


class DnsblResult(Record, frozen=True, gc=False):
    """The verdict of a DNS list on a target from `time` on (docs/events.md, "DNSBL results")."""

    TABLE: ClassVar[LiteralString] = "dnsbl_results"
    KEY: ClassVar[tuple[LiteralString, ...]] = ("cluster", "event_id", "time")
    TIMES: ClassVar[frozenset[str]] = frozenset({"time", "standing_since", "received_at"})
    DOCUMENTS: ClassVar[frozenset[str]] = frozenset()
    IS_ORDERED: ClassVar[bool] = True

    time: int
    event_id: str
    target: str
    kind: str
    list: str
    verdict: str
    host: str | None = None
    name: str | None = None
    detail: str | None = None
    codes: Sequence[str] = ()
    meanings: Sequence[str] = ()
    severity: str | None = None
    reason: str | None = None
    previous: str | None = None
    standing: str | None = None
    standing_since: int | None = None

    @property
    def origin(self) -> Source:
        """The source that sent it."""
        return Source.DNSBL
