"""The server of `DUCKWATCH_TEST_DSN`. The tests do not start or stop it, and leave it as they found it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg
from psycopg import conninfo, sql

from tests.servers.postgres import PostgresCluster

if TYPE_CHECKING:
    from pathlib import Path

_INVENTORY: Final[dict[str, LiteralString]] = {
    "roles": "SELECT rolname FROM pg_roles",
    "settings of roles": "SELECT setrole::regrole::text, setconfig::text FROM pg_db_role_setting WHERE setdatabase = 0",
    "databases": "SELECT datname FROM pg_database",
    "schemas": "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'",
    "relations": "SELECT oid::regclass::text FROM pg_class "
    "WHERE relnamespace::regnamespace::text !~ '^pg_(toast_)?temp_'",
    "extensions": "SELECT extname FROM pg_extension",
}
_JOBS: Final = "SELECT job_id::text FROM timescaledb_information.jobs"


class GivenServer(PostgresCluster):
    """The given server, with the interface of the tests' own servers.

    Its databases are cloned from template0: TimescaleDB's launcher keeps a worker in template1 for a while each time,
    and a database in use cannot be cloned.
    """

    name = "given"
    template = "template0"

    def __init__(self, logs: Path, dsn: str, *, extension: str | None = None) -> None:
        super().__init__(logs)
        self._logs, self._dsn, self._extension = logs, dsn, extension

    def making(self, extension: str) -> GivenServer:
        """Return the same server with an extension in its new databases."""
        return GivenServer(self._logs, self._dsn, extension=extension)

    def create_database(self) -> str:
        dsn = super().create_database()
        if self._extension:
            with psycopg.connect(dsn, autocommit=True) as connection:
                name = sql.Identifier(self._extension)
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(name))
        return dsn

    def has(self, extension: str) -> bool:
        """Return True when the server can install the extension."""
        with psycopg.connect(self.dsn()) as connection:
            found = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", [extension])
            return found.fetchone() is not None

    @cached_property
    def is_community(self) -> bool:
        """Return True for a TimescaleDB with the Community licence, which only a database with the extension shows."""
        if not self.has("timescaledb"):
            return False
        dsn = self.making("timescaledb").create_database()
        try:
            with psycopg.connect(dsn) as connection:
                return connection.execute("SHOW timescaledb.license").fetchone() == ("timescale",)
        finally:
            self.drop_database(dsn)

    def inventory(self) -> dict[str, list[Any]]:
        """Return all objects on the server and in the database of its DSN."""
        with psycopg.connect(self.dsn()) as connection:
            there = {what: connection.execute(asked).fetchall() for what, asked in _INVENTORY.items()}
            if ("timescaledb",) in there["extensions"]:
                there["jobs"] = connection.execute(_JOBS).fetchall()
        return {what: sorted(row[0] if len(row) == 1 else row for row in rows) for what, rows in there.items()}

    def dsn(self, database: str = "") -> str:
        return conninfo.make_conninfo(self._dsn, **({"dbname": database} if database else {}))

    def drop_database(self, dsn: str) -> None:
        name = sql.Identifier(str(conninfo.conninfo_to_dict(dsn)["dbname"]))
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def drop_role(self, name: str) -> None:
        """Drop a role. Raise psycopg.Error while it owns an object."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


class GivenCommunity:
    """A new database on the given server, with the interface of `Community`."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def connect(self, **settings: Any) -> psycopg.Connection:
        """Open a connection."""
        return psycopg.connect(self.dsn, cursor_factory=psycopg.ClientCursor, **settings)
