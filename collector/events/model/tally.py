"""The sums of a set of events, from which the mail metrics are made. Pure. Labels are not bounded here.

The assembler computes them, so that the process that commits the events does not read each again.
"""

from __future__ import annotations

from collections import Counter
from itertools import compress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from collector.events.model.columns import Columns
from collector.events.model.event import Action, Direction, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.events.model.event import MailEvent

Key: TypeAlias = tuple[Any, ...]

_OUTCOMES = {Action.DELIVERED: "delivered", Action.DEFERRED: "deferred", Action.BOUNCED: "bounced"}
_OUTCOME_OF_REASON: dict[Reason | None, str] = {Reason.REPUTATION: "blocklisted", Reason.RATE_LIMITED: "rate_limited"}

ATTEMPTS: Final = ("first", "later", "unknown")
OUTCOMES: Final = tuple(_OUTCOMES.values())
OUTCOMES_OF_ADDRESS: Final = (*OUTCOMES, *_OUTCOME_OF_REASON.values())
"""The values of the labels `attempt` and `outcome`, and of an address's `outcome`."""

# Names of their own: reading a member off its enum costs 0.1 µs on Python 3.11.
_QUEUED, _DELIVERED, _BOUNCED = Action.QUEUED, Action.DELIVERED, Action.BOUNCED
_OUTBOUND = Direction.OUTBOUND


_COUNTED = frozenset({_QUEUED, *_OUTCOMES})

_OUTBOUND_READ = (
    "direction", "action", "cluster", "zone", "provider", "recipients", "reason", "bounce_kind", "provider_code",
    "local_ip",
    "queue_ms",
)  # fmt: skip
READ = (*_OUTBOUND_READ, "attempt", "source", "time", "smtp_ms")
"""The columns that are counted."""


class Tally(msgspec.Struct):
    """Counts and times by their labels. A label is `None` if the event lacks it. Times are milliseconds; `stamps` are
    epoch ms.

    Every event is in `events` and `stamps`, and its SMTP session in `sessions`. The others hold outbound mail only.
    """

    events: Counter[Key] = msgspec.field(default_factory=Counter)  # cluster, zone, provider, action
    queued: Counter[Key] = msgspec.field(default_factory=Counter)  # cluster -> recipients
    bounces: Counter[Key] = msgspec.field(default_factory=Counter)  # cluster, zone, provider, reason, kind
    deferrals: Counter[Key] = msgspec.field(default_factory=Counter)  # cluster, zone, provider, reason
    attempts: Counter[Key] = msgspec.field(default_factory=Counter)  # cluster, zone, provider, attempt, outcome
    signals: Counter[Key] = msgspec.field(default_factory=Counter)  # local_ip, provider, code
    addresses: Counter[Key] = msgspec.field(default_factory=Counter)  # local_ip, provider, outcome
    stamps: dict[Key, list[int]] = {}  # cluster, source
    sessions: dict[Key, list[int]] = {}  # cluster, provider
    deliveries: dict[Key, list[int]] = {}  # cluster, zone, provider

    def add(self, other: Tally) -> None:
        """Add the sums of another tally."""
        for name in self.__struct_fields__:
            mine: Counter[Key] | dict[Key, list[int]] = getattr(self, name)
            if isinstance(mine, Counter):
                mine.update(getattr(other, name))
                continue
            for key, times in getattr(other, name).items():
                mine.setdefault(key, []).extend(times)


def tally(events: Iterable[MailEvent]) -> Tally:
    """Return the tally of events."""
    rows = list(events)
    return tally_columns(Columns(len(rows), {name: [getattr(row, name) for row in rows] for name in READ}))


def tally_columns(columns: Columns) -> Tally:
    """Return the tally of rows in columns."""
    sums = Tally()
    _add_events(sums, columns)
    _append(sums.stamps, columns, ("cluster", "source"), "time")
    _append(sums.sessions, columns, ("cluster", "provider"), "smtp_ms")
    if not _COUNTED.isdisjoint(columns.column("action")):
        _add_outbound(sums, columns)
    return sums


def _add_events(sums: Tally, columns: Columns) -> None:
    # One count in C for both sums: few rows differ in these columns.
    kinds = Counter(columns.rows("cluster", "zone", "provider", "action", "direction", "attempt"))
    for (*place, action, direction, attempt), count in kinds.items():
        sums.events[*place, action] += count
        if direction is _OUTBOUND and action in _OUTCOMES:
            sums.attempts[*place, _attempt(attempt), _OUTCOMES[action]] += count


def _attempt(number: int | None) -> str:
    """Return which attempt it was. The roll-ups tell them apart alike (`queries/attempt_stats.sql`)."""
    if number is None or number < 1:
        return "unknown"
    return "first" if number == 1 else "later"


def _append(times: dict[Key, list[int]], columns: Columns, labels: tuple[str, ...], name: str) -> None:
    """Add a column of times under the labels of their rows."""
    if name not in columns.values:
        return
    values, keys = columns.values[name], list(columns.rows(*labels))
    kinds = set(keys)
    for key in kinds:
        # Nearly always there is one key, because a batch has one cluster.
        mine = values if len(kinds) == 1 else compress(values, map(key.__eq__, keys))
        known = [value for value in mine if value is not None]
        if known:
            times.setdefault(key, []).extend(known)


def _add_outbound(sums: Tally, columns: Columns) -> None:
    for row in columns.rows(*_OUTBOUND_READ):
        direction, action, cluster, zone, provider, recipients, reason, kind, code, local_ip, queue_ms = row
        if direction is not _OUTBOUND:
            continue
        outcome = _OUTCOMES.get(action)
        if outcome is None:
            if action is _QUEUED and recipients:
                sums.queued[cluster,] += recipients
            continue
        if action is _DELIVERED:
            if queue_ms is not None:
                sums.deliveries.setdefault((cluster, zone, provider), []).append(queue_ms)
        elif action is _BOUNCED:
            sums.bounces[cluster, zone, provider, reason, kind] += 1
        else:
            sums.deferrals[cluster, zone, provider, reason] += 1
        if code is not None:
            sums.signals[local_ip, provider, code] += 1
        if local_ip is not None:
            sums.addresses[local_ip, provider, _OUTCOME_OF_REASON.get(reason, outcome)] += 1
