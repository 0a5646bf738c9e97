"""Decides which source's event counts when two sources report the same thing. Pure (docs/backup-sources.md).

The times of backup sources do not identify an event, so `event_id` and time cannot match it with the plugin's.
Its slot can. A slot is something that happens once to a message or a recipient.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.events.model.event import Action, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from collector.events.model.event import Identity, MailEvent

QUEUED: Final = "queued"
END: Final = "end"

WHOLE: Final = ""
"""The `seq` of a slot of the whole message."""

ENDS: Final = frozenset({Action.DELIVERED, Action.BOUNCED, Action.DROPPED, Action.DELETED, Action.RELEASED})
"""The actions that end a recipient's delivery. Each delivery ends once."""

RANKS: Final = {Source.CHANGE_STREAM: 1, Source.BOUNCE: 2, Source.GELF: 3, Source.PLUGIN: 4}
"""A source with a higher rank takes a slot over from a lower one, even if it reports later. Other sources fill no
slots.
"""


class Slot(NamedTuple):
    """Something that happens once. `seq` is `WHOLE` for a slot of the message. An `END` of the whole message is the
    end of every recipient.
    """

    cluster: str
    queue_id: str
    seq: str
    name: str


def slots_of(event: MailEvent) -> Sequence[Slot]:
    """Return the slots that the event fills; it is held under the first. An event without a queue id fills none."""
    if event.queue_id is None or event.source not in RANKS:
        return ()
    return filled_slots(event.cluster, event.queue_id, event.seq, event.action, event.attempt)


def filled_slots(cluster: str, queue_id: str, seq: str | None, action: Action, attempt: int | None) -> Sequence[Slot]:
    """Return the slots that a row with these values fills."""
    place = cluster, queue_id
    match action:
        case Action.QUEUED:
            return (Slot(*place, WHOLE, QUEUED),)
        case Action.REFUSED:
            return (Slot(*place, WHOLE, QUEUED), Slot(*place, WHOLE, END))
        case Action.DEFERRED:
            return (Slot(*place, seq or WHOLE, f"deferred:{attempt or 0}"),)
        case _:
            return (Slot(*place, seq or WHOLE, END if action in ENDS else action.value),)


class SlotRow(NamedTuple):
    """A row of `mail_events` that fills slots. `time` is epoch ms."""

    slots: Sequence[Slot]
    event_id: str
    time: int
    action: Action
    source: Source


class DueEvent(NamedTuple):
    """A held event that is due: its time of waiting is over."""

    slot: Slot
    source: Source


class Ruling(NamedTuple):
    """The decision on held events that are due: the events to store, each with the rows that it replaces, and the
    events to drop.
    """

    stored: dict[DueEvent, list[SlotRow]]
    dropped: list[DueEvent]


def fills(filled: Slot, asked: Slot) -> bool:
    """Return True if a row that fills the first slot also fills the second. The end of the whole message is the end of
    every recipient.
    """
    if filled == asked:
        return True
    return filled.name == asked.name == END and filled == asked._replace(seq=WHOLE)


def rule_on(waiting: Iterable[DueEvent], rows: Sequence[SlotRow]) -> Ruling:
    """Decide on the due events by the stored rows of their messages.

    For each slot, the event of the best source is stored, unless a row of the same or a better source exists.
    It replaces the rows of lesser sources.
    """
    of_slot: dict[Slot, list[DueEvent]] = {}
    for one in waiting:
        of_slot.setdefault(one.slot, []).append(one)
    of_message: dict[tuple[str, str], list[SlotRow]] = {}
    for row in rows:
        of_message.setdefault(row.slots[0][:2], []).append(row)
    ruling = Ruling({}, [])
    for slot, rivals in of_slot.items():
        best = max(rivals, key=lambda one: RANKS[one.source])
        there = [row for row in of_message.get(slot[:2], ()) if any(fills(own, slot) for own in row.slots)]
        if any(RANKS[row.source] >= RANKS[best.source] for row in there):
            ruling.dropped.extend(rivals)
        else:
            ruling.stored[best] = there
            ruling.dropped.extend(one for one in rivals if one is not best)
    return ruling


class Corrections(NamedTuple):
    """The effect of take-overs on the counters. For each action: rows = events - corrections{from}.

    `counts` is by cluster, old action and new action. `uncounted` are the identities of new rows whose action was
    counted already.
    """

    counts: Counter[tuple[str, str, str]]
    uncounted: frozenset[Identity]


NO_CORRECTIONS: Final = Corrections(Counter(), frozenset())


def corrections_of(replaced: Iterable[tuple[Identity, Action, Sequence[Action]]]) -> Corrections:
    """Return the corrections for take-overs: the identity of each new row, its action, and the replaced actions."""
    counts: Counter[tuple[str, str, str]] = Counter()
    uncounted = set()
    for identity, action, others in replaced:
        left = list(others)
        if action in left:
            left.remove(action)
            uncounted.add(identity)
        for other in left:
            counts[identity[1], other.value, action.value] += 1
    return Corrections(counts, frozenset(uncounted))
