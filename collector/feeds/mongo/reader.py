"""What a follower asks of who understands the changes: which collections, and what they lead to."""

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
"""So many documents are read at a time where a collection is."""


class Led(NamedTuple):
    """What changes led to (`FeedStore.commit`)."""

    batch: Batch
    messages: Sequence[HeldEvent] = ()
    entries: Mapping[str, QueueEntry | None] = {}


class ChangeReader(Protocol):
    """Understands the changes of one database."""

    name: str
    """Of the feed: which token, which lock."""

    database: str
    collections: Sequence[str]
    """Whose changes are asked for."""

    alone: str | None
    """The collection that is watched where the user may not watch the database,
    None where that would leave too much untold.
    """

    stages: Sequence[Mapping[str, Any]]
    """What the server does to each change of these collections before it sends it."""

    def read(self, changes: Sequence[Change], database: Database[Any], store: FeedStore, now_ms: int) -> Led:
        """Return what the changes led to. Raise what `database` and `store` raise,
        and nothing for any change that MongoDB can send.
        """

    def take_stock(self, database: Database[Any], store: FeedStore, now_ms: int) -> Iterator[Led]:
        """Yield what brings what is kept in line with what is there now;
        each is committed before the next is asked for. The stream begins here, and what went before is not in it.
        Raises as `read`.
        """


def id_of(mongo_id: str) -> ObjectId | str:
    """Return the `_id` that `mongo_id` is the text of."""
    return ObjectId(mongo_id) if ObjectId.is_valid(mongo_id) else mongo_id
