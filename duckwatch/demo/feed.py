"""The demo's events on their way: in the plugin's bodies, over HTTP, repeated until they are acknowledged."""

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
"""At most so many are taken from the traffic at once:
a few bodies' worth, so that the past is sent in steps that can be stopped.
"""

HEARTBEAT_SECONDS = 30.0
RETRY_SECONDS = 0.5
LAST_WORD_SECONDS = 10.0
"""For how long a body is still repeated after the stop."""


@dataclass(slots=True)
class Tally:
    """What was sent, and what of it the collector took (a rejected event is acknowledged too, but counted apart)."""

    sent: int = 0
    acknowledged: int = 0
    rejected: int = 0


class Feed:
    """Sends the traffic to a collector as ZoneMTA's hosts would: each host its own events, in their order."""

    def __init__(self, url: str, token: str, traffic: Traffic, now: Callable[[], int]) -> None:
        self._url, self._traffic, self._now = f"{url}{INGEST_PATH}", traffic, now
        self._headers = {"Authorization": f"Bearer {token}"}
        self._heard: dict[Host, float] = {}
        self.tally = Tally()

    async def run(self, stop: asyncio.Event) -> None:
        """Send what happens, from the past to the present and on, until `stop`;
        then nothing is left unanswered, if it can be.
        """
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            while not stop.is_set():
                happened = self._traffic.advance(self._now())
                while not stop.is_set() and (chunk := list(islice(happened, CHUNK_EVENTS))):
                    await self._send(session, chunk, stop)
                await self._send_heartbeats(session, stop)
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
        """Repeats one body until it is answered with 202: the events keep their stamps,
        so a repeated one is not a second one.
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
    """Return the heartbeat of a healthy host's plugin: all that it spooled is in this body."""
    return {
        "version": PLUGIN_VERSION,
        "process": f"{host.shard}0000demo",
        "spool_bytes": 0,
        "oldest_unsent": None,
        "dropped": 0,
    }


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Return when `event` is set or the time is over."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
