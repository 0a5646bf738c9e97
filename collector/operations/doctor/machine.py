"""The checks of the journal: the kind of journal that is configured answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.journal.kinds import examine
from collector.journal.observation import Topic
from collector.operations.doctor.finding import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.operations.doctor.installation import Installation


def journal_place(installation: Installation) -> Iterator[Finding]:
    """Yield the journal can be written, and what is in it outlives a crash."""
    return _asked(installation, Topic.PLACE)


def journal_room(installation: Installation) -> Iterator[Finding]:
    """There is room for the journal's quota."""
    return _asked(installation, Topic.ROOM)


def journal_fsync(installation: Installation) -> Iterator[Finding]:
    """Yield a request becomes durable within a time that senders can wait."""
    return _asked(installation, Topic.SPEED)


def _asked(installation: Installation, topic: Topic) -> Iterator[Finding]:
    for one in examine(installation.settings.journal, topic):
        yield Finding(Status(one.severity), one.what, one.remedy)
