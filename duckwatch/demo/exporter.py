"""The demo's DNSBL exporter: its configuration file and its process.

It asks the demo's lists and posts to the demo's collector.
"""

from __future__ import annotations

import sys
from signal import SIGTERM
from typing import TYPE_CHECKING

import aiohttp
import yaml

from duckwatch.demo.blocklists import CALM, CODE, MEANING, STANDING_MEANING, STERN, yesterday
from duckwatch.demo.cast import ZONES
from duckwatch.demo.child import Child
from duckwatch.demo.errors import DemoError
from duckwatch.demo.service import environment, write_secret

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from duckwatch.demo.day import Day
    from duckwatch.demo.service import Service

READY_SECONDS = 60.0
STOP_SECONDS = 10.0
INTERVAL = "10s"
"""The shortest interval that is allowed, so that a viewer need not wait for five minutes."""


class Exporter:
    """One exporter with its files in `home`. It listens on `port` of loopback and asks only the
    name server `resolver`.
    """

    def __init__(self, home: Path, port: int, resolver: str, service: Service) -> None:
        self._home, self._port, self._resolver, self._service = home, port, resolver, service
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """The base URL of its HTTP server."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self, interrupted: asyncio.Event) -> None:
        """Start it and wait until it answers. Raise DemoError or StoppedError."""
        configuration = self._home / "dnsbl.yml"
        write_secret(configuration, self._settings())
        words = [sys.executable, "-m", "exporters.dnsbl", "--config", str(configuration), "serve"]
        log = self._home / "dnsbl.log"
        self._child = Child("the DNSBL exporter", words, log, directory=self._home, environment=environment())
        await self._child.start()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
            await self._child.wait_ready(lambda: self._is_ready(session), READY_SECONDS, interrupted)

    async def tell_of(self, day: Day) -> None:
        """Post the results of the day before the start to the collector, as an exporter would have. Raise DemoError."""
        if not (results := yesterday(day)):
            return
        headers = {"Authorization": f"Bearer {self._service.token}"}
        url, body = f"{self._service.url}/api/events/dnsbl", {"results": results}
        try:
            async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as answer:
                answer.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DemoError(f"the collector does not take what lists said: {error}") from None

    def check(self) -> None:
        """Raise DemoError if the process has ended."""
        if self._child is not None:
            self._child.check()

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop it by SIGTERM, or kill it when `hurry` is set."""
        if self._child is not None:
            await self._child.stop(SIGTERM, STOP_SECONDS, hurry)

    def _settings(self) -> str:
        codes = {CODE: {"meaning": MEANING, "severity": "critical"}}
        section = {
            "listen": f"127.0.0.1:{self._port}",
            "resolvers": [self._resolver],
            "targets": sorted({address for addresses in ZONES.values() for address in addresses}),
            "lists": [
                {"zone": STERN, "codes": codes},
                {"zone": CALM, "codes": {CODE: {"meaning": STANDING_MEANING, "severity": "info"}}},
            ],
            "interval": INTERVAL,
            "limits": {"queries_per_minute_per_list": None},
            "collector": {"url": self._service.url, "token_file": str(self._service.token_file)},
        }
        return yaml.safe_dump({"dnsbl": section})

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/healthz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False
