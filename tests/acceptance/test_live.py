"""Grafana Live in a real Grafana: a collector pushes, and a WebSocket client sees the channels as a browser does."""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from grafana.generate import build_all
from tests.pictures.looking import View, look, only_live
from tests.pictures.shrinking import is_blank
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.grafana import StartedGrafana
from tests.servers.grafana_live import RefusedError, parse
from tests.servers.missing import MissingServerError
from tests.servers.process import wait_until
from tests.servers.viewer import connected

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
    "\r", " \r", "m a=1\r", "m a=1 1 \r", "m a=1\n\r", "\r\r", "\rm a=1",
]  # fmt: skip

LINES = [
    "m a=1 1", 'm a=1,b="x y",c=t 1795504174331000000', 'm,t=x a="q\\"r\\\\",b=-1.5e3 5', "m a=7i,b=8u", "m\\ n a=1 -3",
    'm a="two\nlines" 7', 'm,t=a,u=b a="ä🦆",bb=.5 1', "m a=T,b=FALSE", "# c", "",
]  # fmt: skip
EDITS = [
    *' ,="\\\n\r\f\t\v019.-+eEiutT#xü\x1b\u202e', "\0", "9" * 19, "true", "NaN", "1e400", "\r\n", "\\n", '\\"',
]  # fmt: skip


def edited(chance: random.Random) -> str:
    """Return a body of good lines with a few edits at any place."""
    lines = []
    for _ in range(chance.randint(1, 3)):
        line = chance.choice(LINES)
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            at = chance.randint(0, len(line))
            line = line[:at] + chance.choice(EDITS) + line[at + chance.choice([0, 0, 1, 2]) :]
        lines.append(line)
    return chance.choice(["\n", "\n", "\r\n"]).join(lines) + chance.choice(["", "\n", "\r"])


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
    """Grafana answers 500 to the bodies that the stand-in refuses, and 200 to the others, also to made-up bodies."""

    def expected(body: bytes) -> int:
        try:
            parse(body)
        except RefusedError:
            return 500
        return 200

    token = grafana.token("Editor")
    chance = random.Random(16)
    bodies = [body.encode() for body in [*BODIES, *(edited(chance) for _ in range(200))]]
    assert {body: post(grafana, token, body) for body in bodies} == {body: expected(body) for body in bodies}


@pytest.fixture
def collector(tmp_path: Path, server_logs: Path, postgres_dsn: str, grafana: Grafana) -> Iterator[Collector]:
    """Yield a running collector that pushes to the stream `duckwatch`."""
    live = _live(grafana, tmp_path / "token") | {"watched_domains": ["münchen.example"]}
    made = Collector(tmp_path / "collector", server_logs, postgres_dsn, {"live": live})
    made.start()
    yield made
    assert made.stop() == 0


def _live(grafana: Grafana, token_file: Path) -> dict[str, Any]:
    token_file.write_text(grafana.token("Editor"), encoding="utf-8")
    return {"url": grafana.url, "token_file": str(token_file)}


def test_a_viewer_sees_a_full_window_that_moves(collector: Collector, grafana: Grafana) -> None:
    """A viewer gets a full window when it subscribes, and a new event within seconds, in each channel."""
    asyncio.run(_watch(collector, grafana))


async def _watch(collector: Collector, grafana: Grafana) -> None:
    send = asyncio.to_thread
    assert await send(collector.send, [_bounce(n) for n in range(3)]) == 202
    channels = ("traffic", "zone_default", "domain_xn--mnchen-3ya.example", "top_domains", "ticker")
    async with connected(grafana.url, grafana.token("Viewer")) as viewer:
        for channel in channels:
            await viewer.subscribe(channel)
        assert len(viewer.column("traffic", "time")) == 300
        assert len(viewer.column("ticker", "time")) == 20
        assert await send(collector.send, [_bounce(n) for n in range(3, 7)]) == 202
        for channel in channels[:-1]:
            async with asyncio.timeout(30):
                while sum(viewer.column(channel, "bounced")) != 7:
                    await viewer.hear()
        # The channels of one push arrive one after another, and the ticker may be the last.
        async with asyncio.timeout(30):
            while viewer.column("ticker", "action")[-7:] != ["bounced"] * 7:
                await viewer.hear()
        assert viewer.column("ticker", "sender_domain")[-1] == "xn--mnchen-3ya.example"


def _bounce(number: int, ago: float = 0) -> dict[str, Any]:
    entry = {
        "id": "1a20bda73e1000cd07", "seq": f"{number:03d}", "action": "REJECTED", "zone": "default",
        "from": "a@münchen.example", "to": "b@gmail.example",
        "response": '550 5.7.1 "\\ \u202e no\r\n550 <b@gmail.example>, a=b',
    }  # fmt: skip
    return {"time": int((time.time() - ago) * 1000), "context": "sender", "entry": entry}


def test_panels_are_full_when_they_are_opened(collector: Collector, grafana: Grafana) -> None:
    """In a browser, the panels of Live show the windows that Grafana holds when the dashboard is opened."""
    assert collector.send([_bounce(n) for n in range(3)]) == 202
    pages = build_all()
    for name in ("overview", "tenants"):
        alone = only_live(pages[name])
        assert alone["panels"]
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


def test_restarts_leave_no_hole(tmp_path: Path, server_logs: Path, postgres_dsn: str) -> None:
    """After a restart of Grafana, and then of the collector, a new viewer gets the windows whole: what was before, what
    came while Grafana was away, and what the plugin sends late.
    """
    with ExitStack() as stack:
        grafana = need(lambda: StartedGrafana(tmp_path / "grafana", server_logs))
        stack.callback(grafana.stop)
        grafana.start()
        live = _live(grafana.client(), tmp_path / "token")
        viewer_token = grafana.client().token("Viewer")
        collector = Collector(tmp_path / "collector", server_logs, postgres_dsn, {"live": live})
        stack.callback(collector.stop)
        collector.start()
        assert collector.send([_bounce(n, ago=100 - n) for n in range(50)]) == 202
        asyncio.run(_sees_whole(grafana.url, viewer_token, postgres_dsn, 50))
        grafana.stop()
        wait_until(lambda: collector.trouble() == {"live": "unreachable"}, "Grafana is missed")
        assert collector.send([_bounce(n, ago=80 - n) for n in range(50, 80)]) == 202
        grafana.start()
        wait_until(lambda: not collector.trouble(), "the collector pushes again")
        asyncio.run(_sees_whole(grafana.url, viewer_token, postgres_dsn, 80))
        assert collector.stop() == 0
        late = [_bounce(n, ago=1) for n in range(80, 90)]
        collector.start()
        assert collector.send(late) == 202
        asyncio.run(_sees_whole(grafana.url, viewer_token, postgres_dsn, 90))


def test_one_collector_pushes_for_two(tmp_path: Path, server_logs: Path, postgres_dsn: str, grafana: Grafana) -> None:
    """One pushes the events of both: the other has no trouble, although Grafana does not know its token.

    When the first one is killed, the other pushes.
    """
    with ExitStack() as stack:
        one, two = (_collector(tmp_path / name, server_logs, postgres_dsn, grafana) for name in ("one", "two"))
        right = (tmp_path / "two" / "live-token").read_text("utf-8")
        (tmp_path / "two" / "live-token").write_text("glsa_nobody", encoding="utf-8")
        for collector in (one, two):
            stack.callback(collector.stop)
            collector.start()
        viewer = grafana.token("Viewer")
        assert one.send([_bounce(n, ago=100 - n) for n in range(10)]) == 202
        assert two.send([_bounce(n, ago=100 - n) for n in range(10, 30)]) == 202
        asyncio.run(_sees_whole(grafana.url, viewer, postgres_dsn, 30))
        assert _trouble(two) is None
        assert "duckwatch_live_pushes_total" not in two.metrics()
        one.kill()
        wait_until(lambda: _trouble(two) == "unauthorized", "the other pushes", seconds=60)
        (tmp_path / "two" / "live-token").write_text(right, encoding="utf-8")
        wait_until(lambda: _trouble(two) is None, "the right token is used", seconds=60)
        assert two.send([_bounce(n, ago=1) for n in range(30, 35)]) == 202
        asyncio.run(_sees_whole(grafana.url, viewer, postgres_dsn, 35))


@pytest.mark.parametrize("end", ["expires", "is revoked"])
def test_a_token_that_ends_is_reported_and_renewed(
    tmp_path: Path, server_logs: Path, postgres_dsn: str, grafana: Grafana, end: str
) -> None:
    """`/readyz` names it, and a new token in the file is used without a restart, with every event in the windows."""
    with ExitStack() as stack:
        collector = _collector(tmp_path, server_logs, postgres_dsn, grafana)
        first = grafana.token("Editor", 12 if end == "expires" else None)
        (tmp_path / "live-token").write_text(first, encoding="utf-8")
        stack.callback(collector.stop)
        collector.start()
        wait_until(lambda: _pushed(collector, "pushed"), "the first push")
        if end == "is revoked":
            grafana.revoke(first)
        wait_until(lambda: _trouble(collector) == "unauthorized", "the refusal is reported", seconds=60)
        assert collector.send([_bounce(n, ago=10 - n) for n in range(10)]) == 202
        (tmp_path / "fresh").write_text(grafana.token("Editor"), encoding="utf-8")
        (tmp_path / "fresh").rename(tmp_path / "live-token")
        wait_until(lambda: _trouble(collector) is None, "the new token is used", seconds=60)
        asyncio.run(_sees_whole(grafana.url, grafana.token("Viewer"), postgres_dsn, 10))


def _trouble(collector: Collector) -> str | None:
    """Return the trouble with Live that `/readyz` names. On a busy machine other parts have troubles, too."""
    trouble: str | None = json.loads(collector.ask("/readyz").body)["trouble"].get("live")
    return trouble


def _pushed(collector: Collector, result: str) -> float:
    return collector.metrics().get("duckwatch_live_pushes_total", {}).get((("result", result),), 0)


def _collector(folder: Path, logs: Path, dsn: str, grafana: Grafana) -> Collector:
    """Return a collector of this database, with a token of its own in the file `live-token`."""
    folder.mkdir(exist_ok=True)
    return Collector(folder, logs, dsn, {"live": _live(grafana, folder / "live-token")})


async def _sees_whole(url: str, token: str, dsn: str, bounces: int) -> None:
    """Open the channels, and wait until the windows have all bounces, each in its own second as in the table."""
    began = time.monotonic()
    async with connected(url, token) as viewer, asyncio.timeout(60):
        for channel in ("traffic", "zone_default", "top_domains", "ticker"):
            await viewer.subscribe(channel)
        while {sum(viewer.column(name, "bounced")) for name in ("traffic", "zone_default", "top_domains")} != {bounces}:
            await viewer.hear()
        seconds = [time // 1000 for time in viewer.column("traffic", "time")]
        shown = {s: n for s, n in zip(seconds, viewer.column("traffic", "bounced"), strict=True) if n}
    print(f"{bounces} bounces are shown {time.monotonic() - began:.2f} s after the channels were opened")
    assert seconds == [*range(seconds[0], seconds[0] + 300)]
    with psycopg.connect(dsn) as connection:
        stored = connection.execute(
            "SELECT floor(extract(epoch FROM time))::bigint, count(*) FROM mail_events GROUP BY 1"
        )
        assert shown == dict(stored.fetchall())
