"""What a change stream of WildDuck's database is asked for:
logins and inbound mail, and nothing that is in a message or a password.
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
    # A message that is read, flagged or thrown away is nothing new.
    {"$match": {"$or": [{"ns.coll": {"$ne": wildduck_messages.MESSAGES}}, {"operationType": "insert"}]}},
    {"$project": dict.fromkeys([*_SHOWN, *(f"fullDocument.{name}" for name in _DOCUMENT)], 1)},
]
"""What the server does to each change before it sends it."""

MESSAGES_PROJECTION: Final[dict[str, int]] = dict.fromkeys(wildduck_messages.FIELDS, 1)
AUTHLOG_PROJECTION: Final[dict[str, int]] = dict.fromkeys(authlog.FIELDS, 1)
"""Of a document that is read by itself."""
