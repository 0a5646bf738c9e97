"""The recording as bodies of requests: the plugin's, and every other form that the ingest route takes."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.oracle.stamps import Record


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request, with its headers."""

    content: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


def event(record: Record) -> dict[str, Any]:
    """Return an event as the plugin spools it."""
    return {"time": record["time_ms"], "context": record["context"], "entry": record["entry"]}


def hosted_event(record: Record) -> dict[str, Any]:
    """Return an event that names its host."""
    return event(record) | {"host": "mta1"}


def with_attempts(records: list[Record]) -> list[Record]:
    """Return the records, in order of time, with the attempts that the plugin adds.

    The entry that ends a delivery has the number of its attempt: one more than the recipient's deferrals before it.
    An earlier plugin sends no attempts.
    """
    deferrals: Counter[tuple[str, str | None]] = Counter()
    made = []
    for record in records:
        entry = record["entry"]
        name = entry["id"], entry.get("seq")
        if entry["action"] == "DEFERRED":
            deferrals[name] += 1
        elif entry["action"] in ("ACCEPTED", "REJECTED"):
            entry = entry | {"defcount": deferrals[name] + 1}
        made.append(record | {"entry": entry})
    return made


def with_created(records: list[Record]) -> list[Record]:
    """Return the records, with the time in each entry, as zonemta-wildduck adds it."""
    return [record | {"entry": record["entry"] | {"created": record["time_ms"]}} for record in records]


def with_created_iso(records: list[Record]) -> list[Record]:
    """Return the records, with the time in each entry as JavaScript writes a Date."""
    made = []
    for record in records:
        seconds, milliseconds = divmod(record["time_ms"], 1000)
        stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        made.append(record | {"entry": record["entry"] | {"created": f"{stamp}.{milliseconds:03d}Z"}})
    return made


def plugin_body(records: list[Record], *, cluster: str = "default", host: str = "mta1") -> Body:
    """Return the body that the plugin posts (docs/events.md, section 1)."""
    report = {"version": "0.1.0", "process": "4f1c0c2e9d", "spool_bytes": 0, "oldest_unsent": None, "dropped": 0}
    events = [event(record) for record in records]
    return Body(compact({"cluster": cluster, "host": host, "plugin": report, "events": events}))


def array_body(records: list[Record]) -> Body:
    return Body(compact([hosted_event(record) for record in records]))


def ndjson_body(records: list[Record]) -> Body:
    lines = b"\n".join(compact(hosted_event(record)) for record in records)
    return Body(lines + b"\n", {"Content-Type": "application/x-ndjson"})


def gzip_body(records: list[Record]) -> Body:
    plain = plugin_body(records)
    return Body(gzip.compress(plain.content, 1), plain.headers | {"Content-Encoding": "gzip"})


def bare_array_body(records: list[Record]) -> Body:
    return Body(compact([record["entry"] for record in records]))


def bare_ndjson_gzip_body(records: list[Record]) -> Body:
    lines = b"\n".join(compact(record["entry"]) for record in records)
    return Body(gzip.compress(lines, 1), {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"})


@dataclass(frozen=True, slots=True)
class Form:
    """A form of the body.

    `prepare` adds to the records what this kind of sender adds. `make_body` makes a body of some records. `host` is the
    host that the sender names.
    """

    make_body: Callable[[list[Record]], Body]
    host: str | None = "mta1"
    prepare: Callable[[list[Record]], list[Record]] = list


FORMS: dict[str, Form] = {
    "plugin": Form(plugin_body, prepare=with_attempts),
    "earlier-plugin": Form(plugin_body),
    "array": Form(array_body),
    "ndjson": Form(ndjson_body),
    "gzip": Form(gzip_body),
    "bare": Form(bare_array_body, None, with_created),
    "bare-iso": Form(bare_ndjson_gzip_body, None, with_created_iso),
}


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
