"""A viewer of Grafana Live: a WebSocket client that subscribes to channels as a browser does."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Viewer:
    """A browser's connection (Centrifuge's JSON protocol): the newest frame of each channel."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._fields: dict[str, list[dict[str, Any]]] = {}
        self.values: dict[str, list[list[Any]]] = {}

    async def send(self, command: dict[str, Any]) -> None:
        """Send one command."""
        self._number += 1
        await self._socket.send_str(json.dumps({"id": self._number, **command}))

    async def subscribe(self, measurement: str) -> None:
        """Subscribe, and wait for the frame that Grafana keeps: what a panel shows when it is opened."""
        await self.send({"subscribe": {"channel": f"1/stream/duckwatch/{measurement}"}})
        self._expected = measurement
        while measurement not in self.values:
            await self.hear()

    async def hear(self) -> None:
        """Take one message of the server, and answer a ping."""
        text = await self._socket.receive_str(timeout=30)
        for line in text.splitlines():
            said = json.loads(line)
            if said == {}:
                await self._socket.send_str("{}")
            assert "error" not in said, said
            if "subscribe" in said and "data" in said["subscribe"]:
                self._take(self._expected, said["subscribe"]["data"])
            elif "push" in said:
                channel = said["push"]["channel"].rpartition("/")[2]
                self._take(channel, said["push"]["pub"]["data"])

    def _take(self, measurement: str, data: dict[str, Any]) -> None:
        if "schema" in data:
            assert measurement not in self._fields, "the schema has changed"
            self._fields[measurement] = data["schema"]["fields"]
        self.values[measurement] = data["data"]["values"]

    def column(self, measurement: str, name: str) -> list[Any]:
        """Return a column of the newest frame."""
        names = [field["name"] for field in self._fields[measurement]]
        return self.values[measurement][names.index(name)]


@asynccontextmanager
async def connected(url: str, token: str) -> AsyncIterator[Viewer]:
    """Give a viewer that is connected to the Grafana at `url`."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url.replace("http", "ws", 1) + "/api/live/ws", headers=headers, max_msg_size=0) as socket,
    ):
        viewer = Viewer(socket)
        await viewer.send({"connect": {}})
        await viewer.hear()
        yield viewer
