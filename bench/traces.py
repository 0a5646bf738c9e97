"""The statements of docs/storage.md that find a message. Each uses an index (test_indexes.py checks it)."""

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
"""Known field of the message -> statement. It finds the value as typed and in lower case, with and without `<>`.

An `event_id` begins with its queue id and sorts by bytes.
"""
