"""TimescaleDB for tests: PostgreSQL 17 with the Apache edition, from the Debian 13 tree.

For root it runs through chroot as Debian's user `postgres`; for another user in a user namespace with the tree as root.
Its data is inside the tree, under /var/tmp, so that nothing has to be mounted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.servers import installed
from tests.servers.missing import MissingServerError
from tests.servers.postgres import PostgresCluster

_AS_POSTGRES = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--pdeathsig", "KILL", "--"]
PREFIX = "duckwatch-timescale-"


class Timescale(PostgresCluster):
    """The cluster. `template` is a database with the extension."""

    name = "timescale"

    def __init__(self, logs: Path, settings: dict[str, str] | None = None) -> None:
        # No workers: they would keep the template open while it is cloned, and the Apache edition has no jobs for them.
        # No POSIX shared memory: it would need the host's /dev in the tree.
        preset = {
            "shared_preload_libraries": "timescaledb",
            "timescaledb.telemetry_level": "off",
            "timescaledb.max_background_workers": "0",
            "dynamic_shared_memory_type": "mmap",
        }
        super().__init__(logs, preset | (settings or {}))
        self._tree = self.root = installed.tree()
        self._enter = _entrance(self._tree)
        _sweep(self._tree / "var/tmp")
        self._home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=self._tree / "var/tmp"))
        if os.geteuid() == 0:
            owner = (self._tree / "var/lib/postgresql").stat()
            os.chown(self._home, owner.st_uid, owner.st_gid)

    @property
    def data(self) -> str:
        return f"/{self._home.relative_to(self._tree)}/data"

    @property
    def entrance(self) -> list[str]:
        """Return the words before a command that run it in the tree as the cluster's owner."""
        return self._enter

    def edit(self, path: str, text: str) -> None:
        """Replace the text of a file of the cluster. `path` is the server's path."""
        (self._tree / path.lstrip("/")).write_text(text, encoding="utf-8")

    def program(self, name: str, *arguments: str) -> list[str]:
        return [*self._enter, f"/usr/lib/postgresql/17/bin/{name}", *arguments]

    def start(self) -> None:
        super().start()
        if self.template is None:
            self._make_template()

    def _make_template(self) -> None:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE with_timescale")
        with psycopg.connect(self.dsn("with_timescale"), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION timescaledb")
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute("ALTER DATABASE with_timescale ALLOW_CONNECTIONS false")
        self.template = "with_timescale"

    def remove(self) -> None:
        super().remove()
        shutil.rmtree(self._home, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Delete the data of killed test runs, which no other program removes from the tree."""
    for left in folder.glob(f"{PREFIX}*"):
        pid = left.name.removeprefix(PREFIX).split("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)


def _entrance(tree: Path) -> list[str]:
    """Return the words before a command that make the tree its root.

    Raise `MissingServerError` if this user may not do that.
    """
    if os.geteuid() == 0:
        return ["chroot", str(tree), *_AS_POSTGRES]
    owner = (tree / "var/lib/postgresql").stat()  # in the tree, this user is Debian's `postgres`
    enter = [
        "unshare",
        "--user",
        f"--map-user={owner.st_uid}",
        f"--map-group={owner.st_gid}",
        f"--root={tree}",
        "--wd=/",
    ]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*enter, "true"], capture_output=True, check=False).returncode != 0
    ):
        raise MissingServerError(
            "TimescaleDB's tree cannot be entered as this user (no user namespaces): run the tests as root"
        )
    return enter
