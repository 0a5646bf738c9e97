"""What each relation takes on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.store.database.sql import query
from collector.store.database.tiers import Tier, tier_of
from collector.store.people.subjects import IMPERSONAL, PERSONAL

if TYPE_CHECKING:
    import psycopg


OURS: Final = {table.name for table in PERSONAL} | IMPERSONAL


def sizes(connection: psycopg.Connection) -> dict[str, int]:
    """Returns the bytes of each table and roll-up of ours, with indexes, chunks and what is compressed. Raises `psycopg.Error`."""
    found: dict[str, int] = dict(connection.execute(query("table_sizes")).fetchall())
    tier = tier_of(connection)
    if tier is not Tier.PLAIN:
        found |= dict(connection.execute(query("hypertable_sizes")).fetchall())
    if tier is Tier.COMMUNITY:
        found |= dict(connection.execute(query("aggregate_sizes")).fetchall())
    # The schema may be shared: others' tables are no labels of ours. One that has just been dropped has no size.
    return {relation: int(size) for relation, size in found.items() if relation in OURS and size is not None}
