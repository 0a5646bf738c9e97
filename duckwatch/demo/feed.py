"""Sends the demo's events to the collector, in the plugin's HTTP bodies, again until they are acknowledged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import aiohttp

from duckwatch.demo.cast import HOSTS, Host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from duckwatch.demo.entries import Event
    from duckwatch.demo.traffic import Traffic

INGEST_PATH = "/api/events/ingest"
PLUGIN_VERSION = "0.1.0"
TICK_SECONDS = 0.2
CHUNK_EVENTS = 900
"""Most events taken from the traffic at once: a few bodies, so that sending the history can be stopped."""

HEARTBEAT_SECONDS = 30.0
RETRY_SECONDS = 0.5
LAST_WORD_SECONDS = 10.0
"""Seconds for which a body is still repeated after the stop."""


@dataclass(slots=True)
class Tally:
    """The numbers of events sent, acknowledged and rejected. A rejected event is acknowledged too,
    but counted apart.
    """

    sent: int = 0
    acknowledged: int = 0
    rejected: int = 0


class Feed:
    """Sends the traffic to a collector as the plugins of the mail hosts would: each host its own events, in order."""

    def __init__(self, url: str, token: str, traffic: Traffic, now: Callable[[], int]) -> None:
        self._url, self._traffic, self._now = f"{url}{INGEST_PATH}", traffic, now
        self._headers = {"Authorization": f"Bearer {token}"}
        self._heard: dict[Host, float] = {}
        self.tally = Tally()
        self.is_live = False
        """True once the history has been sent."""

    async def run(self, stop: asyncio.Event) -> None:
        """Send the history and then the live events until `stop`. Then wait for the last answers,
        if they come in time.
        """
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            while not stop.is_set():
                happened = self._traffic.advance(self._now())
                while not stop.is_set() and (chunk := list(islice(happened, CHUNK_EVENTS))):
                    await self._send(session, chunk, stop)
                await self._send_heartbeats(session, stop)
                self.is_live = True
                await wait(stop, TICK_SECONDS)

    async def _send(self, session: aiohttp.ClientSession, chunk: Iterable[Event], stop: asyncio.Event) -> None:
        by_host: dict[Host, list[dict[str, Any]]] = {}
        for event in chunk:
            item = {"time": event.time, "context": event.context, "entry": event.entry}
            by_host.setdefault(event.host, []).append(item)
        await asyncio.gather(*(self._post(session, host, events, stop) for host, events in by_host.items()))

    async def _send_heartbeats(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        time = asyncio.get_running_loop().time()
        quiet = [host for host in HOSTS if time - self._heard.get(host, -HEARTBEAT_SECONDS) >= HEARTBEAT_SECONDS]
        await asyncio.gather(*(self._post(session, host, [], stop) for host in quiet))

    async def _post(
        self, session: aiohttp.ClientSession, host: Host, events: list[dict[str, Any]], stop: asyncio.Event
    ) -> None:
        """Send one body again until the answer is 202. The events keep their times, so a repeated one is not stored
        twice.
        """
        loop = asyncio.get_running_loop()
        self._heard[host] = loop.time()
        self.tally.sent += len(events)
        body = {"cluster": host.cluster, "host": host.name, "plugin": _report(host), "events": events}
        give_up: float | None = None
        while give_up is None or loop.time() < give_up:
            try:
                async with session.post(self._url, json=body) as answer:
                    if answer.status == 202:
                        self._count(await answer.json())
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await wait(stop, RETRY_SECONDS)
            if stop.is_set():
                give_up = give_up or loop.time() + LAST_WORD_SECONDS
                await asyncio.sleep(RETRY_SECONDS)

    def _count(self, answer: dict[str, Any]) -> None:
        self.tally.acknowledged += answer["accepted"]
        self.tally.rejected += len(answer["rejected"])


def _report(host: Host) -> dict[str, Any]:
    """Return the heartbeat of a healthy plugin: its whole spool is in this body."""
    return {
        "version": PLUGIN_VERSION,
        "process": f"{host.shard}0000demo",
        "spool_bytes": 0,
        "oldest_unsent": None,
        "dropped": 0,
    }


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait until `event` is set, at most `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
