"""The kinds of journal: for each, the function that opens it and the function that examines its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from collector.journal.sqlite.examination import examine_file
from collector.journal.sqlite.opening import open_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from collector.config.model import JournalSettings
    from collector.finding import Finding
    from collector.journal.protocol import Journal
    from collector.journal.topic import Topic


class JournalKind(NamedTuple):
    """The two functions of one kind of journal."""

    open: Callable[[JournalSettings], Journal]
    examine: Callable[[JournalSettings, Topic], Iterator[Finding]]


KINDS: Final[Mapping[str, JournalKind]] = {"sqlite": JournalKind(open_file, examine_file)}
"""The kinds, by the `kind` of their settings (`JournalSettings`)."""


def open_journal(settings: JournalSettings) -> Journal:
    """Open the journal. Raise `StartError`, which names the key and the remedy."""
    return KINDS[settings.kind].open(settings)


def examine_journal(settings: JournalSettings, topic: Topic) -> Iterator[Finding]:
    """Yield what `doctor` finds on a topic about a journal with these settings. Open and change nothing.
    Raise `OSError`.
    """
    return KINDS[settings.kind].examine(settings, topic)
