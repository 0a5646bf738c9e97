"""Reads the windows from the database: after a start, after a loss, and once a minute."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from collector.events.model.recent import COUNTED, NEWEST, OF_MESSAGES, NewEvent, RecentCounts
from collector.live.snapshot import Snapshot
from collector.live.windows import SECONDS, Windows
from collector.metrics.labels import MAX_ZONES
from collector.store.database.connection import scalar
from collector.store.database.sql import query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import psycopg

RANKED: Final = 200
"""Domains that are read for the ranking."""

SNAPSHOT_SECONDS: Final = 15
"""How often the job `queue_state` writes a snapshot (collector/jobs/queue_state.py)."""


class WindowSelection(NamedTuple):
    """Which windows there are: the watched domains, the number of top domains, and the zones that are known."""

    watched: Sequence[str]
    top_domains: int
    zones: Sequence[str] = ()


def read_windows(connection: psycopg.Connection, asked: WindowSelection, now: int) -> tuple[Windows, Snapshot]:
    """Return the windows of the last five minutes, and the snapshot that they show.

    `connection` is in autocommit mode. Raise `psycopg.Error`.
    """
    windows = Windows(asked.watched, asked.top_domains)
    values = {
        "start": _stamp(now - SECONDS),
        "end": _stamp(now + SECONDS),
        "counted": [action.value for action in COUNTED],
        "of_messages": [action.value for action in OF_MESSAGES],
        "watched": list(asked.watched),
        "domains": RANKED,
        "zones": MAX_ZONES,
    }
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        snapshot = Snapshot.parse(str(scalar(connection, "SELECT pg_current_snapshot()::text")))
        zones = list(asked.zones) or [
            zone for (zone,) in _rows(connection, "live_zones", {**values, "end": _stamp(now)})
        ]
        windows.know_zones(zones)
        traffic = _rows(connection, "live_traffic", {**values, "known": zones})
        domains = _rows(connection, "live_domains", values)
        newest = _rows(connection, "live_newest", {"end": _stamp(now), "newest": NEWEST})
        past = _past_queue(connection, now)
    windows.add(
        RecentCounts(
            Counter({(second, zone, action): count for second, zone, action, count in traffic}),
            Counter({(second, domain, action): count for second, domain, action, count in domains}),
            [NewEvent(*row) for row in newest],
        ),
        now,
    )
    for second, states in past.items():
        windows.set_queue(second, states, now)
    return windows, snapshot


def read_queue(connection: psycopg.Connection) -> Mapping[str, int] | None:
    """Return how many recipients wait, by state; None if no collector has followed a queue. Raise `psycopg.Error`."""
    if not scalar(connection, "SELECT EXISTS (SELECT FROM change_feeds WHERE feed = 'zonemta')"):
        return None
    return dict(connection.execute(query("live_queue")).fetchall())


def _past_queue(connection: psycopg.Connection, now: int) -> dict[int, Mapping[str, int]]:
    """Return the states of the queue since the beginning of the window, by the second from which they hold."""
    rows = _rows(connection, "live_queue_past", {"start": _stamp(now - SECONDS), "end": _stamp(now + 1)})
    return queue_states(rows, now) if read_queue(connection) is not None else {}


def queue_states(rows: Iterable[tuple[int, str, int]], now: int) -> dict[int, Mapping[str, int]]:
    """Return snapshots by their second. An empty queue leaves no snapshot: where one is missing, the queue is empty."""
    snapshots: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for second, state, count in rows:
        snapshots[second][state] = count
    found: dict[int, Mapping[str, int]] = {now - SECONDS: {}}
    for second in sorted(snapshots):
        found[second] = snapshots[second]
        follows = any(second < other <= second + 2 * SNAPSHOT_SECONDS for other in snapshots)
        if not follows and second + 2 * SNAPSHOT_SECONDS < now:
            found[second + SNAPSHOT_SECONDS] = {}
    return found


def _rows(connection: psycopg.Connection, name: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
    return connection.execute(query(name), values).fetchall()


def _stamp(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
