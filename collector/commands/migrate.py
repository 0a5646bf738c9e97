"""`migrate`: applies the schema ahead of a start (a start does it too)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store.connection import session
from collector.store.migrations import migrate

if TYPE_CHECKING:
    from collector.config import Settings


def run(settings: Settings) -> int:
    """Prints what was applied. Raises `StoreError`."""
    with session(settings.collector.database.direct_dsn.get_secret_value()) as connection:
        applied = migrate(connection)
    for migration in applied:
        print(f"applied {migration.name}")
    if not applied:
        print("nothing to apply: the schema is up to date")
    return 0
