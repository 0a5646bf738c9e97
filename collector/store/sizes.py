"""What each relation takes on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store.sql import query
from collector.store.tiers import Tier, tier_of

if TYPE_CHECKING:
    import psycopg


def sizes(connection: psycopg.Connection) -> dict[str, int]:
    """Returns the bytes of each table and roll-up of ours, with indexes, chunks and what is compressed. Raises `psycopg.Error`."""
    found: dict[str, int] = dict(connection.execute(query("table_sizes")).fetchall())
    tier = tier_of(connection)
    if tier is not Tier.PLAIN:
        found |= dict(connection.execute(query("hypertable_sizes")).fetchall())
    if tier is Tier.COMMUNITY:
        found |= dict(connection.execute(query("aggregate_sizes")).fetchall())
    return {relation: int(size) for relation, size in found.items()}
