"""The size of each relation on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.store.database.sql import query
from collector.store.database.tiers import Tier, tier_of
from collector.store.people.subjects import IMPERSONAL, PERSONAL

if TYPE_CHECKING:
    import psycopg


OURS: Final = {table.name for table in PERSONAL} | IMPERSONAL


def sizes(connection: psycopg.Connection) -> dict[str, int]:
    """Return the size of each of our tables and roll-ups in bytes, with indexes, chunks and compressed data.

    Raise `psycopg.Error`.
    """
    found: dict[str, int] = dict(connection.execute(query("table_sizes")).fetchall())
    tier = tier_of(connection)
    if tier is not Tier.PLAIN:
        found |= dict(connection.execute(query("hypertable_sizes")).fetchall())
    if tier is Tier.COMMUNITY:
        found |= dict(connection.execute(query("aggregate_sizes")).fetchall())
    # The schema may be shared: other programs' tables get no label. A table that was just dropped has no size.
    return {relation: int(size) for relation, size in found.items() if relation in OURS and size is not None}
