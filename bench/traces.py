"""How a message is found: the statements that docs/storage.md shows,
each held by an index (tests/integration/database/test_indexes.py).
"""

from __future__ import annotations

from typing import Final, LiteralString

TRACES: Final[dict[str, LiteralString]] = {
    "queue_id": (
        "SELECT time, action, recipient, reason, response FROM mail_events"
        " WHERE event_id >= lower(%(queue_id)s) AND event_id < lower(%(queue_id)s) || '~' ORDER BY time"
    ),
    "message_id": (
        "SELECT time, action, recipient, reason, response FROM mail_events"
        " WHERE message_id = '<' || btrim(%(message_id)s, '<> ') || '>'"
        " UNION ALL SELECT time, action, recipient, reason, response FROM mail_events"
        " WHERE message_id = '<' || lower(btrim(%(message_id)s, '<> ')) || '>' "
        "AND message_id <> '<' || btrim(%(message_id)s, '<> ') || '>'"
        " UNION ALL SELECT time, action, recipient, reason, response FROM mail_events"
        " WHERE message_id = btrim(%(message_id)s, '<> ') ORDER BY time"
    ),
    "recipient": (
        "(SELECT time, action, sender, reason, response FROM mail_events"
        " WHERE recipient = btrim(%(recipient)s, '<> ') ORDER BY time DESC LIMIT 100)"
        " UNION ALL (SELECT time, action, sender, reason, response FROM mail_events"
        " WHERE recipient = lower(btrim(%(recipient)s, '<> ')) AND recipient <> btrim(%(recipient)s, '<> ') "
        "ORDER BY time DESC LIMIT 100)"
        " ORDER BY time DESC LIMIT 100"
    ),
}
"""By what is known of the message: as it is typed and in lower case, with and without `<>`.

An `event_id` begins with its queue id and sorts by bytes.
"""
