"""The expected roll-ups of outcomes: the events added up in Python, an hour at a time, as docs/storage.md,
"Outcomes", defines them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.oracle.rollups import LIMITS_MS, WIDTHS_MS, read_events

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

DOMAINS, PATTERNS = 5_000, 2_000
DAY_MS = 86_400_000
FAILED = ("deferred", "bounced")
ATTEMPT_SUMS = ("events", *(f"queue_le_{limit}" for limit in LIMITS_MS), "queue_count")
ATTEMPT_LABELS = ("cluster", "zone", "provider", "local_ip", "attempt", "action")
PROVIDER_LABELS = ("cluster", "provider", "attempt", "action")
ZONE_LABELS = ("cluster", "zone", "action")
RECIPIENT_LABELS = ("cluster", "recipient_domain", "provider", "action", "reason")
PATTERN_LABELS = ("cluster", "provider", "response_pattern", "reason", "action")
Event = dict[str, Any]
Key = tuple[Any, ...]


class SeenEvents(NamedTuple):
    """The number of events, the times of the first and the last (epoch ms), and the id of the last."""

    events: int
    first: int
    last: int
    example: str | None


def outcomes(events: Iterable[Event]) -> list[Event]:
    """Return the events that these roll-ups count."""
    return [one for one in events if one["direction"] == "outbound" and one["action"] in ("delivered", *FAILED)]


def attempts(events: Iterable[Event], width: str) -> dict[Key, dict[str, int]]:
    """Return the expected rows of `attempt_stats_{width}`: bucket and labels -> sums."""
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


def providers(found: dict[Key, dict[str, int]]) -> dict[Key, dict[str, int]]:
    """What `provider_stats_*` must hold: the sums of `attempt_stats_*` of that width, without zone and address."""
    sums: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for (bucket, cluster, _, provider, _, attempt, action), row in found.items():
        sums[bucket, cluster, provider, attempt, action].update(row)
    return {key: {column: row[column] for column in ATTEMPT_SUMS} for key, row in sums.items()}


def zones(found: dict[Key, dict[str, int]]) -> dict[Key, int]:
    """What `zone_stats_*` must hold: the events of `attempt_stats_*` of that width, by cluster, zone and action."""
    sums: Counter[Key] = Counter()
    for (bucket, cluster, zone, _, _, _, action), row in found.items():
        sums[bucket, cluster, zone, action] += row["events"]
    return dict(sums)


def days(found: dict[Key, dict[str, int]]) -> dict[Key, dict[str, int]]:
    """What `*_stats_1d` must hold: the sums of the hours of each day, its first hour and its last."""
    sums: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    hours: defaultdict[Key, set[int]] = defaultdict(set)
    for (hour, *labels), row in found.items():
        key = hour // DAY_MS * DAY_MS, *labels
        sums[key].update(row)
        hours[key].add(hour)
    columns = next(iter(found.values()), {})
    return {
        key: {column: row[column] for column in columns} | {"first": min(hours[key]), "last": max(hours[key])}
        for key, row in sums.items()
    }


def _text(value: str | None) -> tuple[bool, bytes]:
    """Return a key that sorts as PostgreSQL's collation "C" does, with null last."""
    return value is None, (value or "").encode()


def _by_hour(events: Iterable[Event]) -> dict[tuple[int, str], list[Event]]:
    found: defaultdict[tuple[int, str], list[Event]] = defaultdict(list)
    for event in events:
        found[event["time"] // WIDTHS_MS["1h"] * WIDTHS_MS["1h"], event["cluster"]].append(event)
    return found


def recipients(events: Iterable[Event]) -> Counter[Key]:
    """Return the expected rows of `recipient_stats_1h`: bucket and labels -> events."""
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


def patterns(events: Iterable[Event]) -> dict[Key, SeenEvents]:
    """Return the expected rows of `pattern_stats_1h`: bucket and labels -> the events seen."""
    found: defaultdict[Key, list[Event]] = defaultdict(list)
    for (hour, _), some in _by_hour(one for one in outcomes(events) if one["action"] in FAILED).items():
        volume = Counter(one["response_pattern"] for one in some)
        kept = set(sorted(volume, key=lambda pattern: (-volume[pattern], _text(pattern)))[:PATTERNS])
        for one in some:
            pattern = one["response_pattern"] if one["response_pattern"] in kept else "other"
            found[hour, *((one | {"response_pattern": pattern})[label] for label in PATTERN_LABELS)].append(one)
    return {key: _seen(some, has_example=key[3] != "other") for key, some in found.items()}


def _seen(some: list[Event], *, has_example: bool) -> SeenEvents:
    times = [one["time"] for one in some]
    newest = max(some, key=lambda one: (one["time"], one["event_id"].encode()))
    return SeenEvents(len(some), min(times), max(times), newest["event_id"] if has_example else None)


def replies(found: dict[Key, SeenEvents]) -> dict[Key, tuple[int, int, str]]:
    """Return the expected rows of `reply_patterns`: cluster, provider, pattern and reason -> first, last, example."""
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
    """Return a relation by bucket and labels. Raise AssertionError if it has the same ones twice."""
    names, sums = [_ms("bucket"), *labels], list(values)
    found: dict[Key, Any] = {}
    for row in connection.execute(f"SELECT {', '.join([*names, *sums])} FROM {relation}".encode()):
        key = row[: len(names)]
        assert key not in found, f"{relation} has {key} twice"
        found[key] = row[len(names) :]
    return found


def read_attempts(connection: psycopg.Connection, width: str) -> dict[Key, dict[str, int]]:
    """Return the rows of `attempt_stats_{width}`."""
    found = _read(connection, f"attempt_stats_{width}", ATTEMPT_LABELS, ATTEMPT_SUMS)
    return {key: dict(zip(ATTEMPT_SUMS, row, strict=True)) for key, row in found.items()}


def read_providers(connection: psycopg.Connection, width: str) -> dict[Key, dict[str, int]]:
    """What `provider_stats_{width}` holds."""
    found = _read(connection, f"provider_stats_{width}", PROVIDER_LABELS, ATTEMPT_SUMS)
    return {key: dict(zip(ATTEMPT_SUMS, row, strict=True)) for key, row in found.items()}


def read_zones(connection: psycopg.Connection, width: str) -> dict[Key, int]:
    """What `zone_stats_{width}` holds."""
    return {key: row[0] for key, row in _read(connection, f"zone_stats_{width}", ZONE_LABELS, ["events"]).items()}


def read_days(
    connection: psycopg.Connection, relation: str, labels: Iterable[str], sums: Iterable[str]
) -> dict[Key, dict[str, int]]:
    """What the daily roll-up holds."""
    columns = [*sums]
    found = _read(connection, relation, labels, [*columns, _ms("first_hour"), _ms("last_hour")])
    return {key: dict(zip([*columns, "first", "last"], row, strict=True)) for key, row in found.items()}


def read_recipients(connection: psycopg.Connection) -> dict[Key, int]:
    """Return the rows of `recipient_stats_1h`."""
    return {key: row[0] for key, row in _read(connection, "recipient_stats_1h", RECIPIENT_LABELS, ["events"]).items()}


def read_patterns(connection: psycopg.Connection) -> dict[Key, SeenEvents]:
    """Return the rows of `pattern_stats_1h`."""
    values = ["events", _ms("first_seen"), _ms("last_seen"), "example_event_id"]
    return {key: SeenEvents(*row) for key, row in _read(connection, "pattern_stats_1h", PATTERN_LABELS, values).items()}


def read_replies(connection: psycopg.Connection) -> dict[Key, tuple[int, int, str]]:
    """Return the rows of `reply_patterns`. Fail unless the example's time is that of the last event."""
    columns = "cluster, provider, response_pattern, reason"
    times = f"{_ms('first_seen')}, {_ms('last_seen')}, example_event_id, {_ms('example_time')}"
    found = {}
    for row in connection.execute(f"SELECT {columns}, {times} FROM reply_patterns".encode()):
        assert row[5] == row[7]
        found[row[:4]] = row[4:7]
    return found


def assert_outcomes(connection: psycopg.Connection, events: Iterable[Event] | None = None) -> None:
    """Fail unless every roll-up of outcomes is the sum of the events, by default of those in the table."""
    rows = read_events(connection) if events is None else list(events)
    for width in ("5m", "1h"):
        counted = attempts(rows, width)
        assert read_attempts(connection, width) == counted, f"attempt_stats_{width}"
        assert read_providers(connection, width) == providers(counted), f"provider_stats_{width}"
        assert read_zones(connection, width) == zones(counted), f"zone_stats_{width}"
    assert read_days(connection, "attempt_stats_1d", ATTEMPT_LABELS, ATTEMPT_SUMS) == days(attempts(rows, "1h"))
    domains = recipients(rows)
    assert read_recipients(connection) == domains
    wanted_days = days({key: {"events": events} for key, events in domains.items()})
    assert read_days(connection, "recipient_stats_1d", RECIPIENT_LABELS, ("events",)) == wanted_days
    wanted = patterns(rows)
    assert read_patterns(connection) == wanted
    assert read_replies(connection) == replies(wanted)
