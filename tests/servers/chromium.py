"""Headless Chromium (Debian's package `chromium`), driven by its DevTools protocol over a WebSocket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import shutil
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.servers.missing import MissingServerError
from tests.servers.process import Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ANSWER_SECONDS = 60
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-port=0",
)
"""Without those against background networking, Chromium looks up hosts of its maker."""

Json = dict[str, Any]


class Tab:
    """One page of the browser. `on` registers what an event of the protocol calls with its parameters."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._listeners: defaultdict[str, list[Callable[[Json], None]]] = defaultdict(list)
        self.session: str | None = None

    def on(self, event: str, listener: Callable[[Json], None]) -> None:
        """Call `listener` with the parameters of each such event."""
        self._listeners[event].append(listener)

    async def send(self, method: str, **parameters: Any) -> Json:
        """Return the result of a command. Raise RuntimeError when the browser refuses it."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        message: Json = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(message | ({"sessionId": self.session} if self.session else {}))
        answer = await asyncio.wait_for(self._answers[number], ANSWER_SECONDS)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: Json = answer["result"]
        return result

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression. Raise RuntimeError when it throws."""
        done = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise RuntimeError(str(done["exceptionDetails"]))
        return done["result"].get("value")

    async def screenshot(self) -> bytes:
        """Return the window as PNG."""
        return base64.b64decode((await self.send("Page.captureScreenshot", format="png"))["data"])

    async def listen(self) -> None:
        """Read what the browser sends, until the connection ends."""
        async for message in self._socket:
            content = message.json()
            if "id" in content:
                self._answers.pop(content["id"]).set_result(content)
            else:
                for listener in self._listeners[content["method"]]:
                    listener(content["params"])


@contextlib.asynccontextmanager
async def opened(width: int, height: int) -> AsyncIterator[Tab]:
    """Give an empty tab of a browser of its own. Raise MissingServerError without Chromium."""
    program = shutil.which("chromium")
    if program is None:
        raise MissingServerError("Chromium is not installed: apt-get install chromium")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        log = folder / "chromium.log"
        browser = Process("chromium", [program, *FLAGS, f"--user-data-dir={folder / 'profile'}"], log)
        stack.callback(browser.stop)
        address = folder / "profile" / "DevToolsActivePort"
        await asyncio.to_thread(browser.wait_ready, lambda: address.exists() and "/" in address.read_text(), 60)
        port, path = address.read_text().split()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        socket = await stack.enter_async_context(
            session.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=0, heartbeat=None)
        )
        tab = Tab(socket)
        stack.callback(asyncio.ensure_future(tab.listen()).cancel)
        target = await tab.send("Target.createTarget", url="about:blank")
        attached = await tab.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        tab.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await tab.send(f"{domain}.enable")
        await tab.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        yield tab
