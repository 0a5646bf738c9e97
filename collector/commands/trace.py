"""`trace`: print a message's life, by queue id, Message-ID or recipient (docs/operations.md, "One message")."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec

from collector.commands import life
from collector.events import addresses
from collector.events.border.json_values import plain_text
from collector.store.lookups.traces import ascii_lower

if TYPE_CHECKING:
    import psycopg

    from collector.events.privacy.pseudonyms import Pseudonyms
    from collector.store.lookups.traces import TracedEvent, Traces

COMPLETE: Final = 8
"""Rows read for each message of a list: a message has some for each attempt and recipient."""

NOTES: Final = frozenset({"stored", "marked_spam", "marked_ham", "complained"})
"""Actions that sources report for a message by its Message-ID alone."""

_OF_RECIPIENT: Final = re.compile(r"(?P<queue_id>[0-9a-z]{6,})\.(?P<seq>[0-9a-z]{3,})", re.IGNORECASE)

NOTHING: Final = """\
nothing is stored under this. What to try next:
  - the queue id (as in ZoneMTA's log), the Message-ID, or a recipient's whole address; a sender's address finds nothing
  - a message that was queued for several recipients is found by a recipient's address once its first attempt was made
  - events that are not stored yet: `curl http://HOST:9626/readyz` shows a database or a journal in trouble, and
    duckwatch_plugin_spool_bytes what waits on the mail host
  - events that could not be stored: `duckwatch-collector dead-letters list`
  - events older than collector.retention.raw are deleted"""


class TraceDesk:
    """The command for one database. `pseudonyms` belong to `privacy.secret`; None without a secret."""

    def __init__(self, traces: Traces, pseudonyms: Pseudonyms | None) -> None:
        self._traces, self._pseudonyms = traces, pseudonyms

    def trace(self, asked: str, *, limit: int, as_json: bool) -> int:
        """Print a message's life, or a list if several messages are found. Return 1 if none is found.

        Raise `StoreUnavailableError`.
        """
        text = plain_text(asked).strip()
        with self._traces.open() as connection:
            connection.execute("SET jit = off")
            found = self._find(connection, text, limit)
            letters = self._traces.letters(connection, addresses.bare(text), limit) if text else []
            lives = [self._life(connection, one, limit) for one in found] if len(found) == 1 else []
        if as_json:
            messages = lives or [{**_name(rows), "newest": rows[0]} for rows in found]
            print(msgspec.json.encode({"messages": messages, "dead_letters": letters}).decode())
        else:
            life.show(lives, [rows[0] for rows in found], letters, limit)
        if found or letters:
            return 0
        print(NOTHING, file=sys.stderr)
        return 1

    def _find(self, connection: psycopg.Connection, text: str, limit: int) -> list[list[TracedEvent]]:
        """Return the rows that were found of each message, the newest message first."""
        rows: list[TracedEvent] = []
        if "@" not in text:
            rows = self._by_queue_id(connection, text, limit)
        if not rows:
            rows = self._by_texts(connection, text, limit * COMPLETE)
        messages: dict[tuple[str, str | None], list[TracedEvent]] = {}
        for row in sorted(rows, key=lambda row: row["time"], reverse=True):
            messages.setdefault((row["cluster"], row["queue_id"]), []).append(row)
        # Rows without a queue id, such as received mail, are shown with the message if there is one.
        named = [of_message for (_, queue_id), of_message in messages.items() if queue_id is not None]
        return (named or list(messages.values()))[:limit]

    def _by_queue_id(self, connection: psycopg.Connection, text: str, limit: int) -> list[TracedEvent]:
        one = _OF_RECIPIENT.fullmatch(text)
        queue_id, seqs = (one["queue_id"], [one["seq"].lower()]) if one else (text, None)
        for spelling in dict.fromkeys((queue_id.lower(), queue_id)):
            rows = self._traces.message(connection, spelling, seqs=seqs, rows=limit)
            rows = rows or self._traces.held(connection, spelling, limit)
            if rows:
                return [row | {"is_asked": seqs is None} for row in rows]
        return []

    def _by_texts(self, connection: psycopg.Connection, text: str, rows: int) -> list[TracedEvent]:
        """Find rows by Message-ID and by recipient: first in likely spellings, and only if there are none, in any."""
        ids, people = self._message_ids(text), self._recipients(text)
        found = [row for one in ids for row in self._traces.by_message_id(connection, one, rows)]
        found += [row for one in people for row in self._traces.by_recipient(connection, one, rows)]
        if found or not text:
            return found
        ids = self._traces.spellings(connection, "message_id", list(dict.fromkeys(map(ascii_lower, ids))))
        people = self._traces.spellings(connection, "recipient", list(dict.fromkeys(map(ascii_lower, people))))
        found = [row for one in ids for row in self._traces.by_message_id(connection, one, rows)]
        return found + [row for one in people for row in self._traces.by_recipient(connection, one, rows)]

    def _message_ids(self, text: str) -> list[str]:
        bare = addresses.bare(text)
        spelt = [f"<{one}>" for one in (bare, bare.lower())] + [bare, bare.lower()]
        if self._pseudonyms is not None:
            spelt.append(self._pseudonyms.of(bare))
        return list(dict.fromkeys(filter(addresses.bare, spelt)))

    def _recipients(self, text: str) -> list[str]:
        whole = addresses.alone(text)
        local, at, name = whole.rpartition("@")
        if not at:
            return []
        domains = dict.fromkeys((name.lower(), addresses.domain(whole) or name.lower()))
        spelt = [whole, *[f"{one}@{domain}" for domain in domains for one in (local, local.lower())]]
        if self._pseudonyms is not None:
            shown = self._pseudonyms.shown(whole)
            spelt.append(shown.pseudonym if shown.domain is None else f"{shown.pseudonym}@{shown.domain}")
        return list(dict.fromkeys(spelt))

    def _life(self, connection: psycopg.Connection, found: list[TracedEvent], limit: int) -> dict[str, Any]:
        """Return everything known of one message, oldest first, or of the recipients that were named."""
        name = _name(found)
        queue_id = name["queue_id"]
        if queue_id is None:
            return {**name, "events": found[::-1], "notes": [], "held": [], "reports": [], "is_cut": False}
        seqs = sorted({row["seq"] for row in found if row["seq"]})
        is_whole = any(row.get("is_asked") for row in found) or not seqs
        rows = self._traces.message(connection, queue_id, seqs=None if is_whole else seqs, rows=limit + 1)
        events = [row for row in rows[:limit] if row["cluster"] == name["cluster"]][::-1]
        message_ids = dict.fromkeys(row["message_id"] for row in events if row["message_id"])
        notes = [
            row
            for one in list(message_ids)[:1]
            for row in self._traces.by_message_id(connection, one, limit)
            if row["action"] in NOTES and row["queue_id"] in (None, queue_id)
        ]
        reports = [
            {"queue_id": one, "events": self._traces.message(connection, one, seqs=None, rows=limit)[::-1]}
            for one in list(dict.fromkeys(row["bounce_id"] for row in events if row["bounce_id"]))[:limit]
        ]
        held = self._traces.held(connection, queue_id, limit)[::-1]
        return {
            **name,
            "events": events,
            "notes": notes[::-1],
            "held": held,
            "reports": reports,
            "is_cut": len(rows) > limit,
        }


def _name(rows: list[TracedEvent]) -> dict[str, Any]:
    return {"queue_id": rows[0]["queue_id"], "cluster": rows[0]["cluster"]}
