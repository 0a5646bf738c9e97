"""What a follower asks of who understands the changes: which collections, and what they lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from pymongo.database import Database

    from collector.events.batch import Batch
    from collector.events.records import HeldEvent
    from collector.events.sources.zonemta_queue import QueueEntry
    from collector.store.feeds import FeedStore

Change = Mapping[str, Any]


class Led(NamedTuple):
    """What changes led to (`FeedStore.commit`)."""

    batch: Batch
    messages: Sequence[HeldEvent] = ()
    entries: Mapping[str, QueueEntry | None] = {}


class Reader(Protocol):
    """Understands the changes of one database."""

    name: str
    """Of the feed: which token, which lock."""

    database: str
    collections: Sequence[str]
    """The first is the one that is watched where only a collection may be."""

    stages: Sequence[Mapping[str, Any]]
    """What the server does to each change of these collections before it sends it."""

    def read(self, changes: Sequence[Change], store: FeedStore, now_ms: int) -> Led:
        """Returns what the changes led to. Raises what `store` raises, and nothing for any change that MongoDB can send."""

    def take_stock(self, database: Database[Any], store: FeedStore, now_ms: int) -> None:
        """Brings what is kept in line with what is there now: the stream begins here, and what went before is not in it."""
