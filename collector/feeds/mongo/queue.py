"""Turns changes of ZoneMTA's queue into held events, and into the new state of the queue's entries."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from collector.events.border.decoding import DEFAULT_CLUSTER, Border, take
from collector.events.border.fields import cut_text
from collector.events.border.json_values import plain_text
from collector.events.border.request_body import Body
from collector.events.conversion import rows_of
from collector.events.model.batch import Batch
from collector.events.model.event import ROW_HEAD, Group, Source, Submission
from collector.events.model.side_tables import HeldEvent
from collector.events.privacy.hiding import hide
from collector.events.sources.zonemta_queue import FILES, PIPELINE_STAGES, QueueLedger, entries_named_by, queued_item
from collector.feeds.mongo.reader import STOCK_SLICE, FeedRows, id_of
from collector.pipeline.letters import letter_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pymongo.database import Database

    from collector.events.model.side_tables import Record
    from collector.events.sources.zonemta_queue import QueueChanges, QueueEntry
    from collector.feeds.mongo.reader import Change
    from collector.store.backup.stream_position import FeedStore

_SHOWN: Final = {
    "id": 1, "seq": 1, "domain": 1, "sendingZone": 1, "recipient": 1, "created": 1,
    "_deferred.count": 1, "_deferred.last": 1, "_deferred.next": 1, "_deferred.response": 1,
}  # fmt: skip


class QueueReader:
    """Reads the changes of ZoneMTA's database. `collection` is the queue; `border` has the limits of the cluster."""

    name = "zonemta"
    stages: Sequence[Mapping[str, Any]] = PIPELINE_STAGES

    def __init__(self, database: str, collection: str, border: Border, public_ips: Mapping[str, str]) -> None:
        self.database = database
        self.collections: Sequence[str] = (collection, FILES)
        self.alone: str | None = collection
        self._collection, self._border, self._public_ips = collection, border, public_ips

    def read(self, changes: Sequence[Change], database: Database[Any], store: FeedStore, now_ms: int) -> FeedRows:
        """Return the held events and the entries that changed."""
        del database
        ledger = QueueLedger(store.known(entries_named_by(changes, self._collection)))
        for change in changes:
            ledger.apply(change, self._collection)
        return self._rows(ledger.changes, now_ms)

    def take_stock(self, database: Database[Any], store: FeedStore, now_ms: int) -> Iterator[FeedRows]:
        """Compare the collection with `queue_entries`: unknown documents are new, missing ones have ended
        (time unknown).
        """
        with database[self._collection].find({}, _SHOWN, batch_size=STOCK_SLICE) as cursor:
            while documents := list(islice(cursor, STOCK_SLICE)):
                ledger = QueueLedger(store.known([str(one["_id"]) for one in documents]))
                for document in documents:
                    ledger.insert(document, now_ms)
                yield self._rows(ledger.changes, now_ms)
        after = ""
        while page := store.page(after, STOCK_SLICE):
            after = max(page)
            asked = {"_id": {"$in": [id_of(one) for one in page]}}
            there = {str(one["_id"]) for one in database[self._collection].find(asked, {"_id": 1})}
            ledger = QueueLedger(page)
            for mongo_id in page.keys() - there:
                ledger.end(mongo_id, now_ms)
            yield self._rows(ledger.changes, now_ms)

    def _rows(self, found: QueueChanges, now_ms: int) -> FeedRows:
        messages_of = list(found.messages.items())
        items = found.items + [queued_item(queue_id, about, time) for queue_id, (about, _, time) in messages_of]
        read = Body(items, {}, is_clean=False)
        submission = take(read, received_at=now_ms, source=Source.CHANGE_STREAM, border=self._border)
        records: dict[tuple[object, ...], Record] = {}
        messages: dict[tuple[object, ...], HeldEvent] = {}
        for entry in submission.entries:
            for row in rows_of(entry, submission, self._public_ips):
                if not isinstance(row, HeldEvent):
                    continue
                if entry.index < len(found.items):
                    records.setdefault(row.key, row)
                else:
                    recipients = messages_of[entry.index - len(found.items)][1][1]
                    messages.setdefault(row.key, replace(row, event=replace(row.event, recipients=recipients)))
        letters = [letter_of(submission, one) for one in submission.rejections]
        kept = self._kept({key: one for key, one in found.entries.items() if one is not None})
        entries = {key: kept.get(key) for key in found.entries}
        return FeedRows(Batch(letters=letters, records=list(records.values())), list(messages.values()), entries)

    def _kept(self, entries: Mapping[str, QueueEntry]) -> dict[str, QueueEntry]:
        """Clean the entries, and pseudonymise them when `privacy.pseudonymise` is on."""
        clean = {key: replace(one, **_clean(one)) for key, one in entries.items()}
        if self._border.pseudonyms is None or not clean:
            return clean
        rows = [[0, 0, None, one.recipient, one.response] for one in clean.values()]
        group = Group(self._border.bound_cluster or DEFAULT_CLUSTER, None, None, ("to", "response"), rows)
        hidden = hide(Submission("", 0, Source.CHANGE_STREAM, [group], []), self._border.pseudonyms).groups[0].rows
        return {
            key: replace(one, recipient=row[ROW_HEAD], response=row[ROW_HEAD + 1])
            for (key, one), row in zip(clean.items(), hidden, strict=True)
        }


def _clean(entry: QueueEntry) -> dict[str, str | None]:
    names = ("queue_id", "seq", "zone", "domain", "recipient", "response")
    return {name: text and cut_text(plain_text(text)) for name in names for text in [getattr(entry, name)]}
