"""Turns changes of WildDuck's database into events of inbound mail and rows of logins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId

from collector.events.border.decoding import take
from collector.events.border.request_body import Body
from collector.events.model.event import Source
from collector.events.sources.authlog import AUTHLOG, Logins, logins_named_by
from collector.events.sources.wildduck_changes import (
    AUTHLOG_PROJECTION,
    COLLECTIONS,
    MESSAGES_PROJECTION,
    PIPELINE_STAGES,
)
from collector.events.sources.wildduck_messages import MESSAGES, stored_item
from collector.feeds.mongo.reader import STOCK_SLICE, FeedRows, id_of
from collector.pipeline.batch import assemble

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pymongo.collection import Collection
    from pymongo.database import Database

    from collector.config.feeds import MongoSettings
    from collector.events.border.decoding import Border
    from collector.events.border.request_body import Item
    from collector.feeds.mongo.reader import Change
    from collector.store.backup.stream_position import FeedStore

COUNTED_UP: Final = timedelta(hours=6)
"""How long WildDuck 1.46 counts similar logins in one document (its `AUTHLOG_BUCKET`)."""

SLACK: Final = timedelta(hours=1)
"""The allowed difference between the clocks of WildDuck, MongoDB and our database. A login that is read twice is one
row.
"""


class WildduckReader:
    """Reads the changes of WildDuck's database. Users and logins may be in another one: `collections` are those in
    this database. `border` has the limits of the cluster.
    """

    stages: Sequence[Mapping[str, Any]] = PIPELINE_STAGES
    alone: str | None = None

    def __init__(
        self, database: str, border: Border, *, collections: Sequence[str] = COLLECTIONS, name: str = "wildduck"
    ) -> None:
        self.database, self.collections, self.name = database, collections, name
        self._border = border

    def read(self, changes: Sequence[Change], database: Database[Any], store: FeedStore, now_ms: int) -> FeedRows:
        """Return the events and logins of the changes. Read the documents of unknown logins from MongoDB."""
        counted = [change for change in changes if change["ns"]["coll"] == AUTHLOG]
        logins = Logins(store.known_logins(logins_named_by(counted)))
        for change in counted:
            logins.apply(change)
        if logins.unknown:
            asked = {"_id": {"$in": [id_of(one) for one in set(logins.unknown)]}}
            for document in database[AUTHLOG].find(asked, AUTHLOG_PROJECTION):
                logins.document(document, now_ms)
        messages = [change for change in changes if change["ns"]["coll"] == MESSAGES]
        stored = [item for change in messages if (item := stored_item(change)) is not None]
        return self._rows(logins.items + stored, now_ms)

    def take_stock(self, database: Database[Any], store: FeedStore, now_ms: int) -> Iterator[FeedRows]:
        """Read the messages that still exist, and the counted logins, since the feed was last followed.
        The collections have no index on time, but an `_id` begins with its time.
        """
        followed = datetime.fromtimestamp(store.followed_until / 1000, UTC) - SLACK
        if MESSAGES in self.collections:
            yield from self._messages_since(database, followed, now_ms)
        if AUTHLOG in self.collections:
            yield from self._logins_since(database, followed - COUNTED_UP, store, now_ms)

    def _messages_since(self, database: Database[Any], followed: datetime, now_ms: int) -> Iterator[FeedRows]:
        since = {"$gte": ObjectId.from_datetime(followed)}
        # A message that was moved or copied keeps its first `_id` as its root.
        came = {"_id": since, "root": since, "meta.source": "MX"}
        for documents in _slices(database[MESSAGES], came, MESSAGES_PROJECTION):
            first = [{"operationType": "insert", "fullDocument": one | {"_id": one["root"]}} for one in documents]
            yield self._rows([item for change in first if (item := stored_item(change)) is not None], now_ms)

    def _logins_since(
        self, database: Database[Any], begun_at: datetime, store: FeedStore, now_ms: int
    ) -> Iterator[FeedRows]:
        begun = {"_id": {"$gte": ObjectId.from_datetime(begun_at)}}
        for documents in _slices(database[AUTHLOG], begun, AUTHLOG_PROJECTION):
            logins = Logins(store.known_logins([str(one["_id"]) for one in documents]))
            for document in documents:
                logins.document(document, now_ms)
            yield self._rows(logins.items, now_ms)

    def _rows(self, items: list[Item], now_ms: int) -> FeedRows:
        read = Body(items, {}, is_clean=False)
        submission = take(read, received_at=now_ms, source=Source.CHANGE_STREAM, border=self._border)
        batch, _ = assemble([submission], {})  # the entries have no local address, so none has a public one
        return FeedRows(batch)


def wildduck_readers(mongo: MongoSettings, border: Border) -> Iterator[WildduckReader]:
    """Yield a reader for each database of WildDuck that is followed. Users and logins may have their own database."""
    places = {MESSAGES: mongo.wildduck_database, AUTHLOG: mongo.logins_database}
    for database in {place: None for place in places.values() if place is not None}:
        here = [collection for collection, place in places.items() if place == database]
        name = "wildduck" if database == mongo.wildduck_database else "wildduck_users"
        yield WildduckReader(database, border, collections=here, name=name)


def _slices(collection: Collection[Any], wanted: Mapping[str, Any], shown: Mapping[str, int]) -> Iterator[list[Any]]:
    """Yield lists of up to STOCK_SLICE documents."""
    with collection.find(wanted, shown, batch_size=STOCK_SLICE) as cursor:
        while documents := list(islice(cursor, STOCK_SLICE)):
            yield documents
