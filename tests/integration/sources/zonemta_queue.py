"""Simulates ZoneMTA's queue in MongoDB."""

from __future__ import annotations

import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bson import ObjectId

if TYPE_CHECKING:
    from pymongo.database import Database


class Mail:
    """Makes ZoneMTA's writes for a message, in its order. A message has the same ids in every database."""

    def __init__(self, database: Database[Any]) -> None:
        self._database = database

    def queue(self, queue_id: str, *seqs: str, transtype: str = "ESMTP") -> list[Any]:
        """Write the metadata, then an entry for each recipient."""
        file = self._database["mail.files"].insert_one({"filename": f"message {queue_id}", "metadata": {}}).inserted_id
        data = {
            "id": queue_id,
            "from": "orders@shop.example",
            "to": [f"r{seq}@x.example" for seq in seqs],
            "messageId": f"<{queue_id}@shop.example>",
            "interface": "feeder",
            "transtype": transtype,
            "headers": [{"key": "subject", "line": "Subject: secret"}],
            "bodySize": 77,
        }
        self._database["mail.files"].update_one({"_id": file}, {"$set": {"metadata.data": data}})
        now = datetime.now(UTC)
        entries = [
            {
                "_id": ObjectId(f"{zlib.crc32(f'{queue_id}.{seq}'.encode()):024x}"),
                "id": queue_id,
                "seq": seq,
                "domain": "x.example",
                "sendingZone": "bulk",
                "recipient": f"r{seq}@x.example",
                "locked": False,
                "lockTime": 0,
                "assigned": "no",
                "queued": now,
                "created": now,
            }
            for seq in seqs
        ]
        return [self._database["zone-queue"].insert_one(entry).inserted_id for entry in entries]

    def defer(self, entry: Any, count: int, response: str | None) -> None:
        """Lock and defer an entry: the first deferral writes all of `_deferred`, later ones its parts."""
        queue, now = self._database["zone-queue"], int(time.time() * 1000)
        queue.update_one({"_id": entry}, {"$set": {"locked": True, "lockTime": now, "assigned": "default"}})
        said: dict[str, Any] = {"last": now, "next": now + 300_000, "count": count, "log": [{"message": "secret"}]}
        if response is not None:
            said["response"] = response
        change = {"_deferred": said | {"first": now}} if count == 1 else {f"_deferred.{k}": v for k, v in said.items()}
        queue.update_one({"_id": entry}, {"$set": change | {"locked": False, "queued": datetime.now(UTC)}})

    def end(self, entry: Any) -> None:
        """Remove an entry, as for a delivered, bounced or deleted message."""
        self._database["zone-queue"].delete_one({"_id": entry})
