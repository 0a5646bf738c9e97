"""What panels read beside `mail_events` and the results of DNS lists: snapshots of the queue, logins, inbound mail."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg


class Snapshot(NamedTuple):
    """The columns of `queue_snapshots`."""

    time: datetime
    cluster: str
    zone: str | None
    domain: str | None
    state: str
    messages: int
    oldest: datetime


class Login(NamedTuple):
    """The columns of `auth_events` that `auth_attempts` shows, and its key. `number` is the column `count`."""

    time: datetime
    cluster: str
    event_id: str
    source: str
    protocol: str
    result: str
    source_ip: str | None
    number: int
    received_at: datetime


class Inbound(NamedTuple):
    """The columns of `mail_events` of inbound mail that panels read."""

    time: datetime
    cluster: str
    event_id: str
    action: str
    direction: str
    sender_domain: str | None
    recipients: int
    size_bytes: int
    category: str | None
    source: str
    received_at: datetime


def snapshots(start: datetime, minutes: int, clusters: Sequence[str]) -> Iterator[Snapshot]:
    """Each minute: a zone that grows, one that drains and is empty at last, one that stays; and three destinations."""
    for minute in range(minutes):
        time = start + timedelta(minutes=minute)
        for cluster in clusters:
            for zone, state, messages in (
                ("bulk", "deferred", 10 + 5 * minute),
                ("bulk", "queued", 3),
                ("default", "deferred", 2 * (minutes - 5 - minute)),
                (None, "queued", 40 + minute % 2),
            ):
                if messages > 0:
                    yield Snapshot(time, cluster, zone, None, state, messages, start - timedelta(minutes=5))
            for place, domain in enumerate(("large.example", "middle.example", "small.example")):
                waiting = (3 - place) * (20 + minute)
                yield Snapshot(time, cluster, None, domain, "deferred", waiting, start - timedelta(minutes=place))


def logins(start: datetime, number: int, clusters: Sequence[str]) -> Iterator[Login]:
    """One row every 20 s: good ones from many addresses, and one address that guesses."""
    for index in range(number):
        good = index % 3 == 0
        yield Login(
            time=start + timedelta(seconds=20 * index),
            cluster=clusters[index % len(clusters)],
            event_id=f"wd:auth:{index}",
            source="change_stream",
            protocol=("imap", "smtp", "pop3")[index % 5 % 3],
            result="success" if good else ("failed", "unknown_user", "error")[index % 7 % 3],
            source_ip=f"198.51.100.{index % 50}" if good else "203.0.113.9" if index % 4 else None,
            number=1 + index % 4,
            received_at=start,
        )


def inbound(start: datetime, number: int, clusters: Sequence[str]) -> Iterator[Inbound]:
    """One row every 20 s: stored mail, some of it filed as spam, and what users marked."""
    for index in range(number):
        action = ("stored", "stored", "stored", "marked_spam", "marked_ham")[index % 5]
        yield Inbound(
            time=start + timedelta(seconds=20 * index),
            cluster=clusters[index % len(clusters)],
            event_id=f"wd:{action}:{index}",
            action=action,
            direction="inbound",
            sender_domain=("news.example", "shop.example", None)[index % 7 % 3],
            recipients=1,
            size_bytes=1000 + index,
            category="junk" if action == "stored" and index % 4 == 0 else None,
            source="wildduck" if action.startswith("marked") else "change_stream",
            received_at=start,
        )


def insert(cursor: psycopg.Cursor, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Put named tuples into a table."""
    # A named tuple has a method `count`.
    columns = ["count" if name == "number" else name for name in rows[0]._fields]  # type: ignore[attr-defined]
    places = ", ".join(["%s"] * len(columns))
    cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})".encode(), rows)
