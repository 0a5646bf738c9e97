"""The checks of the journal: the kind of journal that is configured answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.journal.kinds import examine_journal
from collector.journal.topic import Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation


def place(installation: Installation) -> Iterator[Finding]:
    """Check that the journal can be written, on a disk that outlives a crash."""
    return examine_journal(installation.settings.journal, Topic.PLACE)


def room(installation: Installation) -> Iterator[Finding]:
    """Check that there is room for the journal's quota."""
    return examine_journal(installation.settings.journal, Topic.ROOM)


def fsync(installation: Installation) -> Iterator[Finding]:
    """Check that a submission becomes durable within a time that senders can wait."""
    return examine_journal(installation.settings.journal, Topic.SPEED)
