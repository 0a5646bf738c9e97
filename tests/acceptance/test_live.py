"""Grafana Live in a real Grafana: a collector pushes, and a WebSocket client sees the channels as a browser does."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from grafana.generate import build_all
from grafana.normalise import all_panels
from tests.pictures.looking import View, look
from tests.pictures.shrinking import is_blank
from tests.servers.collector import Collector
from tests.servers.grafana_live import RefusedError, parse
from tests.servers.missing import MissingServerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.grafana import Grafana

pytestmark = pytest.mark.servers

BODIES = [
    "", "\n\n", "# x\nm a=1\n", "m a=1\r\nm a=2\r\n", "m a=7u", "m a=7i", 'm a="\t\n\0\x1b"', "m a=t,b=.5,c=1e3 -1",
    'm a="NaN"', 'm a="\\\\ \\""', 'm a="x\ry"', 'm a="x\fy"', 'm a="\\n"', "m a=NaN", "m a=1e400",
    "m a=9223372036854775808i", "m a=1 1.5", "m a=1 12345678901234567890", "m,t= a=1", "m,t=x\\ a=1", "m", "m a",
    'm a="x', "m a=01i", "m a=1\nm", " m a=1 ", "m\\ n a=1", "#m a=1", "m a=1,b", 'm a="🦆\u202e"',
]  # fmt: skip


def post(grafana: Grafana, token: str, body: bytes) -> int:
    """Return the status of a push."""
    request = urllib.request.Request(f"{grafana.url}/api/live/push/parity", body, method="POST")
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("Content-Type", "text/plain; charset=utf-8")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_the_stand_in_answers_as_grafana_does(grafana: Grafana) -> None:
    """Grafana answers 500 to the bodies that the stand-in refuses, and 200 to the others."""

    def expected(body: bytes) -> int:
        try:
            parse(body)
        except RefusedError:
            return 500
        return 200

    token = grafana.token("Editor")
    bodies = [body.encode() for body in BODIES]
    assert {body: post(grafana, token, body) for body in bodies} == {body: expected(body) for body in bodies}


@pytest.fixture
def collector(tmp_path: Path, server_logs: Path, postgres_dsn: str, grafana: Grafana) -> Iterator[Collector]:
    """Yield a running collector that pushes to the stream `duckwatch`."""
    token_file = tmp_path / "token"
    token_file.write_text(grafana.token("Editor"), encoding="utf-8")
    live = {"url": grafana.url, "token_file": str(token_file), "watched_domains": ["münchen.example"]}
    made = Collector(tmp_path / "collector", server_logs, postgres_dsn, {"live": live})
    made.start()
    yield made
    assert made.stop() == 0


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


def test_a_viewer_sees_a_full_window_that_moves(collector: Collector, grafana: Grafana) -> None:
    """A viewer gets a full window when it subscribes, and a new event within seconds, in each channel."""
    asyncio.run(_watch(collector, grafana))


async def _watch(collector: Collector, grafana: Grafana) -> None:
    send = asyncio.to_thread
    assert await send(collector.send, [_bounce(n) for n in range(3)]) == 202
    headers = {"Authorization": f"Bearer {grafana.token('Viewer')}"}
    channels = ("traffic", "zone_default", "domain_xn--mnchen-3ya.example", "top_domains", "ticker")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(grafana.url.replace("http", "ws", 1) + "/api/live/ws", headers=headers) as socket,
    ):
        viewer = Viewer(socket)
        await viewer.send({"connect": {}})
        await viewer.hear()
        for channel in channels:
            await viewer.subscribe(channel)
        assert len(viewer.column("traffic", "time")) == 300
        assert len(viewer.column("ticker", "time")) == 20
        assert await send(collector.send, [_bounce(n) for n in range(3, 7)]) == 202
        for channel in channels[:-1]:
            async with asyncio.timeout(30):
                while sum(viewer.column(channel, "bounced")) != 7:
                    await viewer.hear()
        assert viewer.column("ticker", "action")[-7:] == ["bounced"] * 7
        assert viewer.column("ticker", "sender_domain")[-1] == "xn--mnchen-3ya.example"


def _bounce(number: int) -> dict[str, Any]:
    entry = {
        "id": "1a20bda73e1000cd07", "seq": f"{number:03d}", "action": "REJECTED", "zone": "default",
        "from": "a@münchen.example", "to": "b@gmail.example",
        "response": '550 5.7.1 "\\ \u202e no\r\n550 <b@gmail.example>, a=b',
    }  # fmt: skip
    return {"time": int(time.time() * 1000), "context": "sender", "entry": entry}


def test_panels_are_full_when_they_are_opened(collector: Collector, grafana: Grafana) -> None:
    """In a browser, the panels of Live show the windows that Grafana holds when the dashboard is opened."""
    assert collector.send([_bounce(n) for n in range(3)]) == 202
    pages = build_all()
    for name in ("overview", "tenants"):
        page = pages[name]
        panels = [panel for panel in all_panels(page["panels"]) if "channel" in (panel.get("targets") or [{}])[0]]
        assert panels
        alone = page | {"uid": f"live-{name}", "panels": panels, "refresh": ""}
        alone |= {"templating": {"list": []}, "annotations": {"list": []}}  # their queries need a variable
        path = grafana.save(
            json.loads(json.dumps(alone).replace("$tenant", "xn--mnchen-3ya.example")), grafana.folder()
        )
        try:
            report, picture = asyncio.run(look(grafana, name, alone, path, View(start="now-5m")))
        except MissingServerError as missing:
            pytest.skip(str(missing))
        assert report.faults == []
        assert report.no_data == []
        assert not is_blank(picture)
