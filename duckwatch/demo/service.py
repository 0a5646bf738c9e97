"""The demo's collector: its configuration file, its token, and its process, started as a user would start it."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Any

import aiohttp
import yaml

import duckwatch
from duckwatch.demo.child import Child

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from duckwatch.demo.errors import DemoError

READY_SECONDS = 60.0
STOP_SECONDS = 30.0


class Service:
    """One collector with its files in `home`. It listens on `port` of loopback and requires the token of `token_file`.

    `more` holds further keys of its section of the configuration.
    """

    def __init__(self, home: Path, port: int, dsn: str, more: Mapping[str, Any] | None = None) -> None:
        self._home, self._port, self._dsn, self._more = home, port, dsn, more or {}
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """The base URL of its HTTP server."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def token_file(self) -> Path:
        """The file of the bearer token, which only its owner may read."""
        return self._home / "token"

    @property
    def configuration(self) -> Path:
        """Its configuration file."""
        return self._home / "duckwatch.yml"

    @property
    def token(self) -> str:
        """The bearer token."""
        return self.token_file.read_text().strip()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._child is not None
        return self._child.pid

    async def start(self, interrupted: asyncio.Event) -> None:
        """Start it and wait until it takes events and writes to the database. Raise DemoError or StoppedError."""
        if not self.token_file.exists():
            write_secret(self.token_file, secrets.token_urlsafe(32))
        write_secret(self.configuration, self._settings())
        words = [sys.executable, "-m", "collector", "--config", str(self.configuration), "serve"]
        log = self._home / "collector.log"
        self._child = Child("the collector", words, log, directory=self._home, environment=environment())
        await self._child.start()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
            await self._child.wait_ready(lambda: self._is_ready(session), READY_SECONDS, interrupted)

    def check(self) -> None:
        """Raise DemoError if the process has ended."""
        if self._child is not None:
            self._child.check()

    def failure(self, what: str) -> DemoError:
        """Return the error that says what happened to the collector, with its log's last lines."""
        assert self._child is not None
        return self._child.failure(what)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop it by SIGTERM, after which it stores the events it has, or kill it when `hurry` is set."""
        if self._child is not None:
            await self._child.stop(SIGTERM, STOP_SECONDS, hurry)

    def _settings(self) -> str:
        return yaml.safe_dump(
            {
                "collector": {
                    "listen": f"127.0.0.1:{self._port}",
                    "database": {"dsn": self._dsn},
                    "journal": {"path": str(self._home / "journal")},
                    "auth": {"tokens": [{"token_file": str(self.token_file)}]},
                    **self._more,
                }
            }
        )

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        """Return True when the database is ready too. /readyz alone is not enough: a journal makes
        a collector ready.
        """
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
            async with session.get(f"{self.url}/readyz") as answer:
                return bool((await answer.json()).get("database"))
        return False


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    path.chmod(0o600)


def environment() -> dict[str, str]:
    """Return an environment that imports this package and holds no settings of the user's own collector."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "DUCKWATCH_"))}
    package = str(Path(duckwatch.__path__[0]).resolve().parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environment.get("PYTHONPATH")]))
    return environment
