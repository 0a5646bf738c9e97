"""The time from the POST of a batch to the viewers of Live: WebSocket clients, and one browser.

A batch of the plugin holds 100 deliveries of all zones and one bounce, which is its newest event. A WebSocket client
has seen the batch when both channels of *Overview* show the bounce; the browser has when its table shows it.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import quantiles
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from bench.live.sites import WATCHED
from collector.metrics.labels import MAX_ZONES
from duckwatch.demo.service import write_secret
from grafana.generate import build_all
from tests.pictures.looking import View, height, log_in, only_live
from tests.servers.chromium import opened
from tests.servers.grafana import given_or_started
from tests.servers.missing import MissingServerError
from tests.servers.viewer import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.live.sites import Site, Sites
    from tests.servers.chromium import Tab
    from tests.servers.grafana import Grafana
    from tests.servers.viewer import Viewer

VIEWERS, BATCHES, QUICK_BATCHES = 20, 100, 5
"""The batches take less than the five minutes of a window, in which the sums of bounces only rise."""

DEADLINE_SECONDS: Final = 120
"""On a busy machine a browser takes a minute to load."""

IS_SHOWN: Final = "document.body?.textContent.includes('%s')"
SHOWN: Final = f"""new Promise(done => {{
  const look = () => {IS_SHOWN} && done(Date.now());
  new MutationObserver(look).observe(document.body, {{subtree: true, childList: true, characterData: true}});
  look();
}})"""


async def measure(sites: Sites, is_quick: bool) -> dict[str, Any] | str:  # noqa: FBT001 - all parts are called alike
    """Return the delays in ms, or why the part is skipped."""
    try:
        with given_or_started(sites.folder) as grafana:
            token_file = sites.folder / "live-token"
            write_secret(token_file, await asyncio.to_thread(grafana.token, "Editor"))
            live = {"url": grafana.url, "token_file": str(token_file), "watched_domains": WATCHED}
            async with sites.collector(live) as site:
                return await _watched(site, grafana, QUICK_BATCHES if is_quick else BATCHES)
    except MissingServerError as missing:
        return f"skipped: {missing}"


async def _watched(site: Site, grafana: Grafana, batches: int) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        viewer_token = await asyncio.to_thread(grafana.token, "Viewer")
        viewers = [await stack.enter_async_context(connected(grafana.url, viewer_token)) for _ in range(VIEWERS)]
        watches = [Watch(viewer) for viewer in viewers]
        await _post(session, site, 0)
        await watches[0].open()  # waits for the first push, which the others do not
        opening = []
        for watch in watches[1:]:
            began = time.time()
            await watch.open()
            opening.append((time.time() - began) * 1000)
        for watch in watches:
            stack.callback(asyncio.ensure_future(watch.listen()).cancel)
        tab, browser_opening = await stack.enter_async_context(_overview(grafana))
        by_socket, by_browser = [], []
        for number in range(1, batches + 1):
            await asyncio.sleep(random.uniform(0, 1))  # noqa: S311 - batches come at any time of the collector's turn
            mark = asyncio.ensure_future(tab.evaluate(SHOWN % sender(number)))
            began = await _post(session, site, number)
            seen = await asyncio.gather(*(watch.saw(number) for watch in watches))
            by_socket += [(moment - began) * 1000 for moment in seen]
            by_browser.append(await asyncio.wait_for(mark, DEADLINE_SECONDS) - began * 1000)
            print(f"delay {number} {max(by_socket[-VIEWERS:]):.0f} {by_browser[-1]:.0f}", file=sys.stderr, flush=True)
        return {
            "viewers": VIEWERS,
            "batches": batches,
            "full_ms_after_opening": {"websocket": _spread(opening), "chromium": browser_opening},
            "websocket_ms": _spread(by_socket),
            "chromium_ms": _spread(by_browser),
        }


class Watch:
    """A viewer of the two channels of *Overview*, and when it saw each batch."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._seen = 0
        self._moment = 0.0
        self._news = asyncio.Condition()

    async def open(self) -> None:
        """Subscribe."""
        for channel in ("traffic", "ticker"):
            await self._viewer.subscribe(channel)

    async def listen(self) -> None:
        """Hear what Grafana sends, until it is cancelled."""
        while True:
            await self._viewer.hear()
            moment = time.time()
            shown = sum(self._viewer.column("traffic", "bounced")) - 1
            if shown > self._seen and sender(int(shown)) in self._viewer.column("ticker", "sender_domain"):
                async with self._news:
                    self._seen, self._moment = int(shown), moment
                    self._news.notify_all()

    async def saw(self, number: int) -> float:
        """Return when both channels showed this batch, in epoch seconds."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._news:
            await self._news.wait_for(lambda: self._seen >= number)
            return self._moment


def sender(number: int) -> str:
    """Return the sender domain of a batch's bounce."""
    return f"batch-{number}.example"


async def _post(session: aiohttp.ClientSession, site: Site, number: int) -> float:
    """Post a batch, and return when this began, in epoch seconds."""
    now = int(time.time() * 1000)
    entries = [
        {
            "id": f"1a20bda73e{number:06x}00", "seq": f"{n:03x}", "action": "ACCEPTED", "zone": f"zone{n % MAX_ZONES}",
            "from": "orders@shop.example", "to": "someone@gmail.example", "response": "250 2.0.0 OK",
        }
        for n in range(100)
    ]  # fmt: skip
    bounce = {"action": "REJECTED", "seq": "fff", "from": f"news@{sender(number)}", "response": "550 5.1.1 unknown"}
    events = [{"time": now - 1, "context": "sender", "entry": entry} for entry in entries]
    events.append({"time": now, "context": "sender", "entry": entries[0] | bounce})
    headers = {"Authorization": f"Bearer {site.service.token}"}
    began = time.time()
    async with session.post(
        f"{site.service.url}/api/events/ingest", json={"events": events}, headers=headers
    ) as answer:
        assert answer.status == 202, answer.status
    return began


@asynccontextmanager
async def _overview(grafana: Grafana) -> AsyncIterator[tuple[Tab, int]]:
    """Give a browser that shows the panels of Live of *Overview*, and the ms from their opening until they are full."""
    page = only_live(build_all()["overview"])
    path = await asyncio.to_thread(lambda: grafana.save(page, grafana.folder()))
    async with opened(1366, height(page)) as tab:
        await log_in(tab, grafana)
        began = time.time()
        await tab.send("Page.navigate", url=View(start="now-5m").url(grafana.url + path))
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await tab.evaluate(IS_SHOWN % sender(0)):  # noqa: ASYNC110 - a page tells nobody
                await asyncio.sleep(0.2)
        yield tab, round((time.time() - began) * 1000)


def _spread(delays: list[float]) -> dict[str, int]:
    cuts = quantiles(delays, n=100, method="inclusive")
    return {"p50": round(cuts[49]), "p95": round(cuts[94]), "max": round(max(delays))}
