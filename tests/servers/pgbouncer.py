"""PgBouncer for tests: a pooler in transaction mode, in which each transaction may use another server connection."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg import conninfo

from tests.servers.installed import command
from tests.servers.process import Process, free_port, listens

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS = {
    "listen_addr": "127.0.0.1",
    "auth_type": "trust",
    "pool_mode": "transaction",
    "default_pool_size": "4",
    "server_login_retry": "1",
    "server_connect_timeout": "5",
}


class PgBouncer:
    """One pooler before the PostgreSQL on port `target`. Raise `MissingServerError` if it is not installed."""

    def __init__(self, logs: Path, target: int, settings: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self._settings = SETTINGS | {"listen_port": str(self.port)} | dict(settings or {})
        self._log = logs / f"pgbouncer-{self.port}.log"
        self._program = command("pgbouncer")
        # It refuses to run as root, and reads its files again later. So the folder must be readable by another user.
        self._home = Path(tempfile.mkdtemp(prefix="duckwatch-pgbouncer-"))
        self._home.chmod(0o755)
        self._process: Process | None = None
        self._write(target)

    def _write(self, target: int) -> None:
        users = self._home / "users.txt"
        users.write_text('"postgres" ""\n', encoding="utf-8")
        as_user = {"user": "nobody"} if os.geteuid() == 0 else {}
        pairs = self._settings | as_user | {"auth_file": str(users)}
        lines = ["[databases]", f"* = host=127.0.0.1 port={target}", "[pgbouncer]", *map(" = ".join, pairs.items())]
        self._file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def _file(self) -> Path:
        return self._home / "pgbouncer.ini"

    def dsn(self, direct: str) -> str:
        """Return the connection string, through the pooler, of the database that `direct` names."""
        return conninfo.make_conninfo(direct, host="127.0.0.1", port=self.port)

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        self._process = Process("pgbouncer", [self._program, str(self._file)], self._log)
        self._process.wait_ready(lambda: listens(self.port))

    def point_at(self, target: int) -> None:
        """Use another server from now on, as an operator sets it after a failover."""
        self._write(target)
        assert self._process is not None
        self._process.send(signal.SIGHUP)

    def stop(self) -> None:
        """Stop it, if it runs. It can be started again."""
        if self._process is not None:
            self._process.kill()  # SIGTERM would wait for its clients
            self._process = None

    def remove(self) -> None:
        """Stop it and delete its files, but not its log."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)
