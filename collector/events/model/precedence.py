"""Two sources that report the same thing: the slot of an event, and which source's event counts.
Pure (docs/backup-sources.md).

The backup sources have no stamp that identifies, so their events cannot be told apart by `event_id` and time.
A slot is something that happens once to a message or a recipient.
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
"""The `seq` of a slot that is the whole message's."""

ENDS: Final = frozenset({Action.DELIVERED, Action.BOUNCED, Action.DROPPED, Action.DELETED, Action.RELEASED})
"""A recipient's message ends once: the action with which it does."""

RANKS: Final = {Source.CHANGE_STREAM: 1, Source.BOUNCE: 2, Source.GELF: 3, Source.PLUGIN: 4}
"""The higher takes a slot over from the lower, whenever it comes. Other sources fill no slots."""


class Slot(NamedTuple):
    """One thing that happens once. `seq` is `WHOLE` for the message's;
    an `END` of the whole message is every recipient's.
    """

    cluster: str
    queue_id: str
    seq: str
    name: str


def slots_of(event: MailEvent) -> Sequence[Slot]:
    """Return the slots that the event fills, the one that it is held under first; none without a queue id."""
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


class Filled(NamedTuple):
    """A row of `mail_events` that fills slots, and whose word it is. `time` is epoch ms."""

    slots: Sequence[Slot]
    event_id: str
    time: int
    action: Action
    source: Source


class Waiting(NamedTuple):
    """An event of a backup source that is due."""

    slot: Slot
    source: Source


class Ruling(NamedTuple):
    """What becomes of events that are due: which are `stored`, each with the rows that it replaces,
    and which are `dropped`.
    """

    stored: dict[Waiting, list[Filled]]
    dropped: list[Waiting]


def fills(filled: Slot, asked: Slot) -> bool:
    """Return True when what fills the one slot fills the other:
    an end of the whole message is the end of every recipient.
    """
    if filled == asked:
        return True
    return filled.name == asked.name == END and filled == asked._replace(seq=WHOLE)


def rule(waiting: Iterable[Waiting], rows: Sequence[Filled]) -> Ruling:
    """Decides what is due against the rows of its messages.
    The best source's event for a slot is stored unless one as good is there; rows of lesser sources are deleted.
    """
    of_slot: dict[Slot, list[Waiting]] = {}
    for one in waiting:
        of_slot.setdefault(one.slot, []).append(one)
    of_message: dict[tuple[str, str], list[Filled]] = {}
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
    """What taking slots over does to the counters: rows = events - corrections{from}, for each action.
    `uncounted` are the new rows whose action was counted already, by their identity.
    """

    counts: Counter[tuple[str, str, str]]
    uncounted: frozenset[Identity]


NO_CORRECTIONS: Final = Corrections(Counter(), frozenset())


def corrections_of(replaced: Iterable[tuple[Identity, Action, Sequence[Action]]]) -> Corrections:
    """Add up what rows took over: each by its identity, with its action and those of the rows that it replaced."""
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
