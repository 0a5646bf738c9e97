"""What a set of events adds to the windows of Grafana Live: counts by second, and the newest events. Pure.

The assembler computes it, so that the process that commits the events does not read each again. Nothing here holds an
address.
"""

from __future__ import annotations

from collections import Counter
from heapq import nlargest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from collector.events.model.columns import Columns
from collector.events.model.event import Action, Direction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.events.model.event import MailEvent

COUNTED: Final = (Action.QUEUED, Action.DELIVERED, Action.DEFERRED, Action.BOUNCED, Action.DROPPED)
"""The actions that windows count, of outbound mail, in the order of their fields."""

OF_MESSAGES: Final = frozenset({Action.QUEUED, Action.DROPPED})
"""Rows of these actions describe a message, and count its recipients. Other rows describe one recipient each."""

NEWEST: Final = 20
"""The number of rows of the window `ticker`."""

_READ_COUNTS: Final = ("time", "action", "direction", "zone", "sender_domain", "recipients")
_NEWEST_COLUMNS: Final = (
    "time",
    "action",
    "sender_domain",
    "recipient_domain",
    "provider",
    "reason",
    "response_pattern",
)
READ: Final = (*_READ_COUNTS, *_NEWEST_COLUMNS[3:])
"""The columns that are read."""

_COUNTED: Final = frozenset(COUNTED)
_OUTBOUND: Final = Direction.OUTBOUND  # reading a member off its enum costs 0.1 µs on Python 3.11


class NewEvent(NamedTuple):
    """A row of the window `ticker`. `time` is epoch ms."""

    time: int
    action: str
    sender_domain: str | None
    recipient_domain: str | None
    provider: str | None
    reason: str | None
    response_pattern: str | None


class RecentCounts(msgspec.Struct):
    """Counts by epoch second. A zone or a sender domain is `None` if the event lacks it. `newest` is in no order."""

    traffic: Counter[tuple[int, str | None, str]] = msgspec.field(default_factory=Counter)  # second, zone, action
    domains: Counter[tuple[int, str, str]] = msgspec.field(default_factory=Counter)  # second, sender domain, action
    newest: list[NewEvent] = []

    def add(self, other: RecentCounts) -> None:
        """Add the counts and the newest events of another."""
        self.traffic.update(other.traffic)
        self.domains.update(other.domains)
        self.newest = newest([*self.newest, *other.newest])


def newest(events: Iterable[NewEvent]) -> list[NewEvent]:
    """Return the newest events, the newest first."""
    return nlargest(NEWEST, events, key=_time)


def recent(events: Iterable[MailEvent]) -> RecentCounts:
    """Return what events add to the windows."""
    rows = list(events)
    return recent_columns(Columns(len(rows), {name: [getattr(row, name) for row in rows] for name in READ}))


def recent_columns(columns: Columns) -> RecentCounts:
    """Return what rows in columns add to the windows."""
    found = RecentCounts()
    if not _COUNTED.isdisjoint(columns.column("action")):
        for time, action, direction, zone, domain, recipients in columns.rows(*_READ_COUNTS):
            if direction is not _OUTBOUND or action not in _COUNTED:
                continue
            count = (recipients or 0) if action in OF_MESSAGES else 1
            found.traffic[time // 1000, zone, action] += count
            if domain is not None:
                found.domains[time // 1000, domain, action] += count
    table = [columns.column(name) for name in _NEWEST_COLUMNS]
    chosen = nlargest(NEWEST, range(columns.count), key=table[0].__getitem__)
    found.newest = [NewEvent(*[column[row] for column in table]) for row in chosen]
    return found


def _time(event: NewEvent) -> Any:  # noqa: ANN401 - a key that is compared
    return event.time
