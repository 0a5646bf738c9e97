"""Builds what the commands beside `serve` work with, as `app` does for the running collector."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from collector.events.privacy.pseudonyms import Pseudonyms
from collector.operations.dead_letters import DeadLetters
from collector.operations.subjects import Subjects
from collector.routes import decode_letter
from collector.store.lookups.dead_letters import LetterBox
from collector.store.lookups.traces import Traces
from collector.store.people.subjects import People
from collector.store.reclassification import Reclassification
from collector.store.writing.batch_write import PostgresStore

if TYPE_CHECKING:
    from collector.config import Settings
    from collector.events.model.batch import DeadLetter
    from collector.events.model.event import Submission


def build_dead_letters(settings: Settings) -> DeadLetters:
    """Build the operations on dead letters."""
    collector = settings.collector
    dsn = collector.database.direct_dsn.get_secret_value()

    def decode_again(body: bytes, letter: DeadLetter) -> Submission:
        return decode_letter(collector, body, letter, received_at=time.time_ns() // 1_000_000)

    return DeadLetters(LetterBox(dsn), PostgresStore(dsn, dsn), decode_again, collector.public_ips)


def subjects(settings: Settings) -> Subjects:
    """Build the operations on data subjects."""
    return Subjects(People(settings.collector.database.direct_dsn.get_secret_value()), pseudonyms(settings))


def traces(settings: Settings) -> Traces:
    """Build the search for a message's events."""
    return Traces(settings.collector.database.direct_dsn.get_secret_value())


def reclassification(settings: Settings) -> Reclassification:
    """Build the operation that judges stored replies again."""
    return Reclassification(settings.collector.database.direct_dsn.get_secret_value())


def pseudonyms(settings: Settings) -> Pseudonyms | None:
    """Return the pseudonyms of `privacy.secret`, or None without a secret."""
    secret = settings.collector.privacy.secret
    return None if secret is None else Pseudonyms(secret.get_secret_value().encode())
