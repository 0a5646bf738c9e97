"""The checks of the journal: the kind of journal that is configured answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.journal.kinds import examine
from collector.journal.observation import Topic
from collector.operations.doctor.finding import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.operations.doctor.installation import Patient


def journal_place(patient: Patient) -> Iterator[Finding]:
    """The journal can be written, and what is in it outlives a crash."""
    return _asked(patient, Topic.PLACE)


def journal_room(patient: Patient) -> Iterator[Finding]:
    """There is room for the journal's quota."""
    return _asked(patient, Topic.ROOM)


def journal_fsync(patient: Patient) -> Iterator[Finding]:
    """A request becomes durable within a time that senders can wait."""
    return _asked(patient, Topic.SPEED)


def _asked(patient: Patient, topic: Topic) -> Iterator[Finding]:
    for one in examine(patient.settings.journal, topic):
        yield Finding(Status(one.severity), one.what, one.remedy)
