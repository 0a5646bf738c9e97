"""Entries in ZoneMTA's form, which tests change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.events.border.decoding import Border, decode_body
from collector.events.model.event import Entry, Group, MailEvent, Source, Submission
from collector.events.sources.zonemta import mail_event

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = 1795495100000
QUEUE_ID = "1a20bd7ba7a000cd07"
QUEUED_AT = 1795495017082
RECORDING = Path(__file__).parents[2] / "fixtures" / "zonemta-log-entries.jsonl"

ACCEPTED: dict[str, Any] = {
    "id": QUEUE_ID,
    "seq": "001",
    "action": "ACCEPTED",
    "zone": "bulk",
    "from": "news@shop.example",
    "returnPath": "bounce+1@shop.example",
    "to": "ok@corp.example",
    "mx": "mx1.corp.example",
    "host": "192.0.2.10",
    "ip": "192.0.2.20",
    "response": "250 2.0.0 Ok: queued as 197D38BEB3",
    "size": 3687,
    "timer": 127,
    "start": 117,
    "messageId": "<1@shop.example>",
    "secure": True,
    "tls": True,
    "tlsVersion": "TLSv1.3",
    "tlsCipher": "TLS_AES_256_GCM_SHA384",
    "tlsAuthorized": True,
    "protocol": "smtp",
}
QUEUED: dict[str, Any] = {
    "id": QUEUE_ID,
    "action": "QUEUED",
    "message-id": "<1@shop.example>",
    "from": "news@shop.example",
    "to": "a@corp.example,b@corp.example",
    "src": "192.0.2.1",
    "body": 3008,
    "interface": "feeder",
    "user": "alice@shop.example",
    "score": "0.40",
}


def changed(entry: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the entry with fields set, or removed if the value is `...`."""
    whole = {**entry, **fields}
    return {key: value for key, value in whole.items() if value is not ...}


def row(
    fields: dict[str, Any], *, time: int = NOW, public_ips: dict[str, str] | None = None, **entry: Any
) -> MailEvent:
    """Return the row of one entry."""
    given = Entry(
        0, time, entry.get("cluster", "default"), entry.get("host"), "sender", fields, entry.get("subject_hmac")
    )
    return mail_event(given, source=Source.PLUGIN, received_at=NOW, public_ips=public_ips or {})


def grouped(entries: Iterable[Entry]) -> list[Group]:
    """Return the entries grouped as the border does, by keys, types, action and origin."""
    found: dict[tuple[Any, ...], Group] = {}
    for entry in entries:
        origin, values = (entry.cluster, entry.host, entry.context), entry.fields.values()
        shape = (*origin, tuple(entry.fields), tuple(map(type, values)), repr(entry.fields.get("action")))
        group = found.setdefault(shape, Group(*origin, tuple(entry.fields), []))
        group.rows.append([entry.index, entry.time, entry.subject_hmac, *values])
    return list(found.values())


def raw(event: MailEvent) -> dict[str, Any]:
    """Return the row's `raw`."""
    return json.loads(event.raw) if event.raw is not None else {}


def read(body: Any, *, received_at: int = NOW, **border: Any) -> Submission:
    """Return the border's result for a body (bytes unchanged, else as JSON)."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_body(data, received_at=received_at, source=Source.PLUGIN, border=Border(**border))


def recording() -> list[dict[str, Any]]:
    """Return the recorded log entries: `{time_ms, pid, context, entry}`."""
    return [json.loads(line) for line in RECORDING.read_text().splitlines()]
