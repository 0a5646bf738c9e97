"""What a change stream stores in a database whose encoding lacks characters of its rows (docs/storage.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from collector.events.model.batch import characters_of
from collector.feeds.mongo.reader import FeedRows
from collector.pipeline.letters import as_letters, in_letters

if TYPE_CHECKING:
    from collector.events.sources.zonemta_queue import QueueEntry

TEXTS: Final = ("zone", "domain", "recipient", "response")
"""The columns of a queue entry that may be null."""


def fitting(rows: FeedRows, lacking: frozenset[str], sqlstate: str) -> FeedRows:
    """Return the rows with none of the characters `lacking`.

    Events become dead letters. A queue entry stays without its text: it is needed to recognise later changes.
    """
    fit, unfit = rows.batch.parted(lacking)
    aside = [one for one in rows.messages if not _fits(one, lacking)]
    letters = [*fit.letters, *in_letters(unfit, sqlstate).letters, *as_letters(aside, sqlstate)]
    entries = {key: one and _without(one, lacking) for key, one in rows.entries.items()}
    entries = {key: one for key, one in entries.items() if _fits((key, one), lacking)}
    messages = [one for one in rows.messages if _fits(one, lacking)]
    return FeedRows(replace(fit, letters=letters), messages, entries)


def _without(entry: QueueEntry, lacking: frozenset[str]) -> QueueEntry:
    unfit = {name: None for name in TEXTS if not lacking.isdisjoint(getattr(entry, name) or "")}
    return msgspec.structs.replace(entry, **unfit)


def _fits(row: object, lacking: frozenset[str]) -> bool:
    return lacking.isdisjoint(characters_of(row))
