"""The interface `ChangeReader`: it names the collections to watch, and turns their changes into rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from bson import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

    from collector.events.model.batch import Batch
    from collector.events.model.side_tables import HeldEvent
    from collector.events.sources.zonemta_queue import QueueEntry
    from collector.store.backup.stream_position import FeedStore

Change = Mapping[str, Any]

STOCK_SLICE: Final = 1000
"""The number of documents that are read at a time from a collection."""


class FeedRows(NamedTuple):
    """The rows that changes produce, for `FeedStore.commit`. An entry that is None has left the queue."""

    batch: Batch
    messages: Sequence[HeldEvent] = ()
    entries: Mapping[str, QueueEntry | None] = {}


class ChangeReader(Protocol):
    """Turns the changes of one database into rows."""

    name: str
    """The feed's name, under which its token is stored and its lock is held."""

    database: str
    collections: Sequence[str]
    """The collections to watch."""

    alone: str | None
    """The collection to watch if the user may not watch the database. None if one collection is not enough."""

    stages: Sequence[Mapping[str, Any]]
    """The stages that MongoDB applies to each change before it sends it."""

    def read(self, changes: Sequence[Change], database: Database[Any], store: FeedStore, now_ms: int) -> FeedRows:
        """Return the rows of the changes. Raise the errors of `database` and `store`, but none for any change that
        MongoDB can send.
        """

    def take_stock(self, database: Database[Any], store: FeedStore, now_ms: int) -> Iterator[FeedRows]:
        """Yield the rows that bring the store in line with the collections, when a stream begins without a token.
        Each is committed before the next is requested. Raise the errors of `read`.
        """


def id_of(mongo_id: str) -> ObjectId | str:
    """Return the `_id` whose text is `mongo_id`."""
    return ObjectId(mongo_id) if ObjectId.is_valid(mongo_id) else mongo_id
