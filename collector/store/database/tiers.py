"""Storage tiers: what the server can do, found by asking it (docs/storage.md)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, LiteralString, NamedTuple

from collector.store.database.sql import query

if TYPE_CHECKING:
    import psycopg

OLDEST_COMMUNITY = (2, 18)
"""The first TimescaleDB with `add_columnstore_policy`; an older one is used like the Apache edition."""

ASK: LiteralString = """
SELECT current_setting('server_version'),
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       current_setting('timescaledb.license', true)
"""


class Tier(StrEnum):
    """The storage tier of a database.

    COMMUNITY has continuous aggregates, compression and policies. On the others, the collector's own jobs do roll-ups
    and retention.
    """

    COMMUNITY = "timescaledb_community"
    APACHE = "timescaledb_apache"
    PLAIN = "postgresql"


class Storage(NamedTuple):
    """The tier, and the versions behind it ("17.6", "2.19.3"); `timescaledb` is None where the extension is not in this
    database.
    """

    tier: Tier
    postgresql: str
    timescaledb: str | None


def storage_of(connection: psycopg.Connection) -> Storage:
    """Return the present tier and versions: an extension or a licence may appear later. Raise `psycopg.Error`."""
    row = connection.execute(ASK).fetchone()
    assert row is not None
    version, extension, licence = row
    postgresql = str(version).split()[0]
    if extension is None:
        return Storage(Tier.PLAIN, postgresql, None)
    is_community = licence == "timescale" and _numbers(extension) >= OLDEST_COMMUNITY
    return Storage(Tier.COMMUNITY if is_community else Tier.APACHE, postgresql, extension)


def reach_extension(connection: psycopg.Connection) -> None:
    """Make TimescaleDB's functions visible to the session: their schema may be missing on the role's search path.

    Commit. Use this only in a session with the server itself: a transaction pooler would pass the setting on to other
    clients. Raise `psycopg.Error`.
    """
    connection.execute(query("reach_extension"))
    if not connection.autocommit:
        connection.commit()


def tier_of(connection: psycopg.Connection) -> Tier:
    """Return the tier alone. Raise `psycopg.Error`."""
    return storage_of(connection).tier


class Layout(NamedTuple):
    """The layout: whether `mail_events` is a hypertable, and whether the roll-ups are continuous aggregates."""

    has_chunks: bool
    has_aggregates: bool


def layout_of(connection: psycopg.Connection) -> Layout:
    """Return the layout, which may use less than the tier allows. At each start, `layout.lay_out` completes it.

    Raise `psycopg.Error`.
    """
    if storage_of(connection).timescaledb is None:
        return Layout(has_chunks=False, has_aggregates=False)
    row = connection.execute(query("layout")).fetchone()
    assert row is not None
    return Layout(*row)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
