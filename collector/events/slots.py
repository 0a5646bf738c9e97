"""Where two roads tell of the same thing: the slot of an event, and which road's word counts (design: "Backup roads"). Pure.

The backup roads have no stamp that identifies, so their events cannot be told apart by `event_id` and time. A slot is something that
happens once to a message or a recipient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from collector.events.model import Action, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.events.model import MailEvent

QUEUED: Final = "queued"
END: Final = "end"

WHOLE: Final = ""
"""The `seq` of a slot that is the whole message's."""

ENDS: Final = frozenset({Action.DELIVERED, Action.BOUNCED, Action.DROPPED, Action.DELETED, Action.RELEASED})
"""A recipient's message ends once: the action with which it does."""

RANKS: Final = {Source.CHANGE_STREAM: 1, Source.BOUNCE: 2, Source.GELF: 3, Source.PLUGIN: 4}
"""The higher takes a slot over from the lower, whenever it comes. Other roads fill no slots."""


class Slot(NamedTuple):
    """One thing that happens once. `seq` is `WHOLE` for the message's; an `END` of the whole message is every recipient's."""

    cluster: str
    queue_id: str
    seq: str
    name: str


def slots_of(event: MailEvent) -> Sequence[Slot]:
    """Returns the slots that the event fills, the one that it is held under first; none without a queue id."""
    if event.queue_id is None or event.source not in RANKS:
        return ()
    place, seq = (event.cluster, event.queue_id), event.seq or WHOLE
    match event.action:
        case Action.QUEUED:
            return (Slot(*place, WHOLE, QUEUED),)
        case Action.REFUSED:
            return (Slot(*place, WHOLE, QUEUED), Slot(*place, WHOLE, END))
        case Action.DEFERRED:
            return (Slot(*place, seq, f"deferred:{event.attempt or 0}"),)
        case action if action in ENDS:
            return (Slot(*place, seq, END),)
        case action:
            return (Slot(*place, seq, action.value),)
