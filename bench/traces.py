"""How a message is found: the statements that docs/storage.md shows, each held by an index (tests/integration/test_indexes.py)."""

from __future__ import annotations

from typing import Final, LiteralString

TRACES: Final[dict[str, LiteralString]] = {
    "queue_id": (
        "SELECT time, action, recipient, response FROM mail_events"
        " WHERE event_id >= %(queue_id)s AND event_id < %(queue_id)s || '~' ORDER BY time"
    ),
    "message_id": (
        "SELECT time, action, recipient, response FROM mail_events WHERE message_id = %(message_id)s ORDER BY time"
    ),
    "recipient": (
        "SELECT time, action, sender, response FROM mail_events WHERE recipient = %(recipient)s ORDER BY time DESC LIMIT 100"
    ),
}
"""By what is known of the message. An `event_id` begins with its queue id and sorts by bytes."""
