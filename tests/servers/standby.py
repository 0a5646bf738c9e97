"""Streaming replication for tests: a synchronous standby of a Debian PostgreSQL, and its failover."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import psycopg

from tests.servers.process import wait_until
from tests.servers.timescale import Timescale

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.postgres import PostgresCluster

NAME = "standby"


class Standby(Timescale):
    """A copy of `primary` that follows it until it is promoted."""

    name = NAME

    def __init__(self, logs: Path, primary: PostgresCluster, settings: dict[str, str] | None = None) -> None:
        super().__init__(logs, settings)
        self._primary = primary
        self.template = primary.template

    def initialise(self) -> None:
        """Copy the primary's data (pg_basebackup), with the settings to follow it."""
        source = f"host=127.0.0.1 port={self._primary.port} user=postgres application_name={NAME}"
        words = ["-D", self.data, "-d", source, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        done = subprocess.run(
            self.program("pg_basebackup", *words), capture_output=True, text=True, check=False, cwd="/"
        )
        assert done.returncode == 0, f"pg_basebackup: {done.stderr}"

    def follow(self) -> None:
        """Start it, and make it synchronous: the primary answers no COMMIT before this standby has it."""
        self.start()
        with psycopg.connect(self._primary.dsn(), autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
            connection.execute("SELECT pg_reload_conf()")
            states = "SELECT sync_state FROM pg_stat_replication"
            wait_until(lambda: connection.execute(states).fetchall() == [("sync",)], "the standby is synchronous")

    def promote(self) -> None:
        """Make it the primary. Return when it accepts writes."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            assert connection.execute("SELECT pg_promote(true, 60)").fetchone() == (True,)


class Pair:
    """A primary and its synchronous standby, with one database."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.primary: Timescale = Timescale(logs)
        self.standby: Standby | None = None
        try:
            self.primary.initialise()
            self.primary.start()
            self._database = self.primary.create_database().rsplit("/", 1)[1]
            self.add_standby()
        except BaseException:
            self.remove()
            raise

    @property
    def dsn(self) -> str:
        """The connection string of the database on the present primary."""
        return self.primary.dsn(self._database)

    @property
    def either_dsn(self) -> str:
        """The connection string that names both servers, which a collector needs for a failover."""
        assert self.standby is not None
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://postgres@{hosts}/{self._database}?target_session_attrs=read-write"

    def add_standby(self) -> None:
        """Add a new standby. Return when it is synchronous."""
        self.standby = Standby(self._logs, self.primary)
        self.standby.initialise()
        self.standby.follow()

    def fail_over(self) -> None:
        """Kill the primary and promote the standby. No new standby is added."""
        assert self.standby is not None
        self.primary.kill()
        self.primary.remove()
        self.standby.promote()
        self.primary, self.standby = self.standby, None

    def remove(self) -> None:
        """Stop both and delete their data."""
        if self.standby is not None:
            self.standby.remove()
        self.primary.remove()
