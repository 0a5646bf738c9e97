"""What the roll-ups of outcomes must hold: the events added up in Python, an hour at a time, by the words of
docs/storage.md, "Outcomes".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.oracle.rollups import LIMITS_MS, WIDTHS_MS, read_events

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

DOMAINS, PATTERNS = 5_000, 2_000
FAILED = ("deferred", "bounced")
ATTEMPT_SUMS = ("events", *(f"queue_le_{limit}" for limit in LIMITS_MS), "queue_count")
ATTEMPT_LABELS = ("cluster", "zone", "provider", "local_ip", "attempt", "action")
RECIPIENT_LABELS = ("cluster", "recipient_domain", "provider", "action", "reason")
PATTERN_LABELS = ("cluster", "provider", "response_pattern", "reason", "action")
Event = dict[str, Any]
Key = tuple[Any, ...]


class Seen(NamedTuple):
    """How many events, when the first and the last came (epoch ms), and the id of the last."""

    events: int
    first: int
    last: int
    example: str | None


def outcomes(events: Iterable[Event]) -> list[Event]:
    """The events that these roll-ups count."""
    return [one for one in events if one["direction"] == "outbound" and one["action"] in ("delivered", *FAILED)]


def attempts(events: Iterable[Event], width: str) -> dict[Key, dict[str, int]]:
    """What `attempt_stats_{width}` must hold."""
    sums: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for event in outcomes(events):
        number = event["attempt"]
        attempt = None if not number else "first" if number == 1 else "later"
        key = (
            event["time"] // WIDTHS_MS[width] * WIDTHS_MS[width],
            *((event | {"attempt": attempt})[label] for label in ATTEMPT_LABELS),
        )
        sums[key]["events"] += 1
        if event["queue_ms"] is not None:
            sums[key]["queue_count"] += 1
            sums[key].update(f"queue_le_{name}" for name, limit in LIMITS_MS.items() if event["queue_ms"] <= limit)
    return {key: {column: found[column] for column in ATTEMPT_SUMS} for key, found in sums.items()}


def _text(value: str | None) -> tuple[bool, bytes]:
    """The order of PostgreSQL's "C", null last."""
    return value is None, (value or "").encode()


def _by_hour(events: Iterable[Event]) -> dict[tuple[int, str], list[Event]]:
    found: defaultdict[tuple[int, str], list[Event]] = defaultdict(list)
    for event in events:
        found[event["time"] // WIDTHS_MS["1h"] * WIDTHS_MS["1h"], event["cluster"]].append(event)
    return found


def recipients(events: Iterable[Event]) -> Counter[Key]:
    """What `recipient_stats_1h` must hold: bucket and labels -> events."""
    sums: Counter[Key] = Counter()
    for (hour, _), some in _by_hour(outcomes(events)).items():
        volume = Counter(one["recipient_domain"] for one in some)
        failures = Counter(one["recipient_domain"] for one in some if one["action"] in FAILED)
        order = sorted(volume, key=lambda domain: (-failures[domain], -volume[domain], _text(domain)))
        kept = set(order[:DOMAINS])
        for one in some:
            domain = one["recipient_domain"] if one["recipient_domain"] in kept else "other"
            sums[hour, *((one | {"recipient_domain": domain})[label] for label in RECIPIENT_LABELS)] += 1
    return sums


def patterns(events: Iterable[Event]) -> dict[Key, Seen]:
    """What `pattern_stats_1h` must hold: bucket and labels -> what was seen."""
    found: defaultdict[Key, list[Event]] = defaultdict(list)
    for (hour, _), some in _by_hour(one for one in outcomes(events) if one["action"] in FAILED).items():
        volume = Counter(one["response_pattern"] for one in some)
        kept = set(sorted(volume, key=lambda pattern: (-volume[pattern], _text(pattern)))[:PATTERNS])
        for one in some:
            pattern = one["response_pattern"] if one["response_pattern"] in kept else "other"
            found[hour, *((one | {"response_pattern": pattern})[label] for label in PATTERN_LABELS)].append(one)
    return {key: _seen(some, has_example=key[3] != "other") for key, some in found.items()}


def _seen(some: list[Event], *, has_example: bool) -> Seen:
    times = [one["time"] for one in some]
    newest = max(some, key=lambda one: (one["time"], one["event_id"].encode()))
    return Seen(len(some), min(times), max(times), newest["event_id"] if has_example else None)


def replies(found: dict[Key, Seen]) -> dict[Key, tuple[int, int, str]]:
    """What `reply_patterns` must hold, by cluster, provider, pattern and reason: first, last and example."""
    known: dict[Key, tuple[int, int, str]] = {}
    for (_, cluster, provider, pattern, reason, _), seen in found.items():
        if pattern is None or seen.example is None:
            continue
        key = cluster, provider, pattern, reason
        first, last, example = known.get(key, (seen.first, seen.last, seen.example))
        newest = max((last, example.encode()), (seen.last, seen.example.encode()))
        known[key] = min(first, seen.first), newest[0], newest[1].decode()
    return known


def _ms(column: str) -> str:
    return f"(extract(epoch FROM {column}) * 1000)::bigint"


def _read(
    connection: psycopg.Connection, relation: str, labels: Iterable[str], values: Iterable[str]
) -> dict[Key, Any]:
    """A relation by its bucket and labels; the same ones twice are an AssertionError."""
    names, sums = [_ms("bucket"), *labels], list(values)
    found: dict[Key, Any] = {}
    for row in connection.execute(f"SELECT {', '.join([*names, *sums])} FROM {relation}".encode()):
        key = row[: len(names)]
        assert key not in found, f"{relation} has {key} twice"
        found[key] = row[len(names) :]
    return found


def read_attempts(connection: psycopg.Connection, width: str) -> dict[Key, dict[str, int]]:
    """What `attempt_stats_{width}` holds."""
    found = _read(connection, f"attempt_stats_{width}", ATTEMPT_LABELS, ATTEMPT_SUMS)
    return {key: dict(zip(ATTEMPT_SUMS, row, strict=True)) for key, row in found.items()}


def read_recipients(connection: psycopg.Connection) -> dict[Key, int]:
    """What `recipient_stats_1h` holds."""
    return {key: row[0] for key, row in _read(connection, "recipient_stats_1h", RECIPIENT_LABELS, ["events"]).items()}


def read_patterns(connection: psycopg.Connection) -> dict[Key, Seen]:
    """What `pattern_stats_1h` holds."""
    values = ["events", _ms("first_seen"), _ms("last_seen"), "example_event_id"]
    return {key: Seen(*row) for key, row in _read(connection, "pattern_stats_1h", PATTERN_LABELS, values).items()}


def read_replies(connection: psycopg.Connection) -> dict[Key, tuple[int, int, str]]:
    """What `reply_patterns` holds. The example's time is the last sighting."""
    columns = "cluster, provider, response_pattern, reason"
    times = f"{_ms('first_seen')}, {_ms('last_seen')}, example_event_id, {_ms('example_time')}"
    found = {}
    for row in connection.execute(f"SELECT {columns}, {times} FROM reply_patterns".encode()):
        assert row[5] == row[7]
        found[row[:4]] = row[4:7]
    return found


def assert_outcomes(connection: psycopg.Connection, events: Iterable[Event] | None = None) -> None:
    """Every roll-up of outcomes is the sum of the events; by default of those in the table."""
    rows = read_events(connection) if events is None else list(events)
    for width in ("5m", "1h"):
        assert read_attempts(connection, width) == attempts(rows, width), f"attempt_stats_{width}"
    assert read_recipients(connection) == recipients(rows)
    wanted = patterns(rows)
    assert read_patterns(connection) == wanted
    assert read_replies(connection) == replies(wanted)
