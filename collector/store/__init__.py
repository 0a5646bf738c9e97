"""TimescaleDB or PostgreSQL: schema, connection, and the idempotent batch write."""

from collector.store.store import PostgresStore

__all__ = ["PostgresStore"]
