"""The events that are sent: recorded traffic of a real ZoneMTA, repeated with new ids and times."""

from __future__ import annotations

import json
import re
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from collector.events.border.decoding import Border, decode_body
from collector.events.model.event import Source
from collector.pipeline.batch import assemble
from collector.store.writing.copy_text import encode_copy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

RECORDING = Path(__file__).parents[1] / "tests" / "fixtures" / "zonemta-log-entries.jsonl"
ID_KEYS = ("id", "bounceId")

_VARIABLE = re.compile(
    r"\b(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{6,}\b|\b[0-9]{2}:[0-9]{2}:[0-9]{2}\b|(?<=<)[^<>@\s]+(?=@)"
)
"""The parts of a real server's reply that differ each time: ids, times, and the quoted mailbox."""


def events(count: int, until_ms: int) -> list[dict[str, Any]]:
    """Return `count` events as the plugin writes them, with different identities and times up to `until_ms`."""
    recorded = _recorded()
    first = min(int(one["entry"]["id"][:11], 16) for one in recorded)
    span = max(one["time_ms"] for one in recorded) - first + 1
    cycles = -(-count // len(recorded))
    made: list[dict[str, Any]] = []
    for cycle in range(cycles):
        shift = until_ms - span * (cycles - cycle) - first
        made.extend(_shifted(one, shift) for one in recorded[: count - len(made)])
    return made


def paced(count: int, start_ms: int, per_second: int) -> list[dict[str, Any]]:
    """Return `count` events with times at a steady rate from `start_ms` on."""
    recorded = _recorded()
    made = []
    for number in range(count):
        one = recorded[number % len(recorded)]
        made.append(_shifted(one, start_ms + number * 1000 // per_second - one["time_ms"]))
    return made


def _recorded() -> list[dict[str, Any]]:
    """Return the recording with what the plugin adds: the number of the attempt that ended a delivery."""
    recorded = [json.loads(line) for line in RECORDING.read_text().splitlines()]
    deferrals: Counter[tuple[str, str]] = Counter()
    for entry in (one["entry"] for one in recorded):
        if entry["action"] == "DEFERRED":
            deferrals[entry["id"], entry["seq"]] += 1
        elif entry["action"] in ("ACCEPTED", "REJECTED"):
            entry["defcount"] = deferrals[entry["id"], entry["seq"]] + 1
    return recorded


def _shifted(one: dict[str, Any], shift: int) -> dict[str, Any]:
    entry = dict(one["entry"])
    for key in ID_KEYS:
        if key in entry:
            entry[key] = f"{int(entry[key][:11], 16) + shift:011x}{entry[key][11:]}"
    if "response" in entry:
        entry["response"] = own_reply(entry["response"], one["time_ms"] + shift)
    if "nextattempt" in entry:
        entry["nextattempt"] += shift
    return {"time": one["time_ms"] + shift, "context": one["context"], "entry": entry}


def own_reply(reply: str, number: int) -> str:
    """Return the reply with new ids, times and mailboxes of the same length. A reply without any gets a session id."""

    def other(part: re.Match[str]) -> str:
        text = part[0]
        if ":" in text:
            return f"{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
        made = blake2b(f"{text}{number}".encode(), digest_size=32).hexdigest()[: len(text)]
        return made.upper() if text.isupper() else made

    own = _VARIABLE.sub(other, reply)
    return own if own != reply else f"{reply} {blake2b(f'{reply}{number}'.encode(), digest_size=10).hexdigest()}"


def bodies(made: Sequence[dict[str, Any]], size: int) -> Iterator[bytes]:
    """Yield plugin bodies of `size` events each, heartbeat included."""
    report = {"version": "0.1.0", "process": "5f0c9bb1d2e34a67", "spool_bytes": 0, "oldest_unsent": None, "dropped": 0}
    for start in range(0, len(made), size):
        body = {"cluster": "default", "host": "mta1", "plugin": report, "events": made[start : start + size]}
        yield json.dumps(body, separators=(",", ":")).encode()


def bare_bodies(made: Sequence[dict[str, Any]], size: int) -> Iterator[bytes]:
    """Yield arrays of `size` bare entries each, as a log relay sends them."""
    for start in range(0, len(made), size):
        entries = [{"created": one["time"], **one["entry"]} for one in made[start : start + size]]
        yield json.dumps(entries, separators=(",", ":")).encode()


class Rows(NamedTuple):
    """The rows of a set of bodies: a piece of COPY text and the last event's id for each body."""

    pieces: list[bytes]
    last_ids: list[str]


def rows(sent: Iterable[bytes], received_at: int) -> Rows:
    """Return the rows of these bodies as the collector's own code makes them."""
    made = Rows([], [])
    for body in sent:
        request = decode_body(body, received_at=received_at, source=Source.PLUGIN, border=Border())
        batch, repeated = assemble([request], {})
        assert not request.rejections
        assert not repeated.total()
        made.pieces.append(encode_copy(batch.events))
        made.last_ids.append(batch.events[-1].event_id)
    return made
