"""The pipeline and projections for WildDuck's database: logins and inbound mail, but no content of a message and no
password.
"""

from __future__ import annotations

from typing import Any, Final

from collector.events.sources import authlog, wildduck_messages

COLLECTIONS: Final = (wildduck_messages.MESSAGES, authlog.AUTHLOG)

_SHOWN: Final = (
    "_id", "operationType", "ns", "documentKey", "clusterTime", "wallTime", "updateDescription.updatedFields.events",
    "updateDescription.updatedFields.last",
)  # fmt: skip
_DOCUMENT: Final = dict.fromkeys([*wildduck_messages.FIELDS, *authlog.FIELDS])

PIPELINE_STAGES: Final[list[dict[str, Any]]] = [
    # Of messages only inserts: reading, flagging or deleting one is not an event.
    {"$match": {"$or": [{"ns.coll": {"$ne": wildduck_messages.MESSAGES}}, {"operationType": "insert"}]}},
    {"$project": dict.fromkeys([*_SHOWN, *(f"fullDocument.{name}" for name in _DOCUMENT)], 1)},
]
"""The stages that MongoDB applies to each change before it sends it."""

MESSAGES_PROJECTION: Final[dict[str, int]] = dict.fromkeys(wildduck_messages.FIELDS, 1)
AUTHLOG_PROJECTION: Final[dict[str, int]] = dict.fromkeys(authlog.FIELDS, 1)
"""The fields of a document that is read outside the change stream."""
