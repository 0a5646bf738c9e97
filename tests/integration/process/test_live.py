"""Grafana Live from a collector as a process: windows, faults of Grafana, a restart, two collectors, a new token."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.integration.senders import Senders
from tests.servers.collector import Collector
from tests.servers.grafana_live import TOKEN, GrafanaLive, grafana_live
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

SETTINGS = {"watched_domains": ["shop.example"], "top_domains": 3}
ADDRESS = "someone@shop.example"
REPLY = "550 5.1.1 <someone@gmail.example> unknown user"


@pytest.fixture
def grafana() -> Iterator[GrafanaLive]:
    """Yield the endpoint."""
    with grafana_live() as endpoint:
        yield endpoint


class Site:
    """Collectors of one database that push to one Grafana, each with a token file of its own."""

    def __init__(self, folder: Path, logs: Path, dsn: str, grafana: GrafanaLive) -> None:
        self._folder, self._logs, self._dsn, self._grafana = folder, logs, dsn, grafana
        self._sent = 0
        self.collectors: list[Collector] = []

    def collector(self, token: str = TOKEN) -> Collector:
        """Return a further collector."""
        name = f"collector{len(self.collectors)}"
        token_file = self._folder / f"{name}-token"
        token_file.write_text(f"{token}\n", encoding="utf-8")
        settings = self._grafana.settings(token_file, **SETTINGS)
        made = Collector(self._folder / name, self._logs, self._dsn, settings)
        self.collectors.append(made)
        return made

    def write_token(self, number: int, token: str) -> None:
        """Replace a collector's token as a secret manager does."""
        fresh = self._folder / "fresh"
        fresh.write_text(token, encoding="utf-8")
        fresh.rename(self._folder / f"collector{number}-token")

    def bounce(self, collector: Collector, count: int, zone: str = "default") -> None:
        """Have a collector take bounces of now."""
        self._sent += count
        entries = [
            {
                "id": f"1a20bda73e10{self._sent:06d}", "seq": f"{n:03d}", "action": "REJECTED", "zone": zone,
                "from": ADDRESS, "to": "someone@gmail.example", "response": REPLY,
            }
            for n in range(count)
        ]  # fmt: skip
        now = int(time.time() * 1000)
        assert collector.send([{"time": now, "context": "sender", "entry": entry} for entry in entries]) == 202

    def stored(self) -> int:
        """Return the number of rows."""
        with psycopg.connect(self._dsn) as connection:
            return int(connection.execute("SELECT count(*) FROM mail_events").fetchall()[0][0])

    def shows(self, count: int, measurement: str = "traffic") -> bool:
        """Return whether Grafana's newest window has this many bounces."""
        return self._grafana.total(measurement, "bounced") == count


@pytest.fixture
def site(tmp_path: Path, server_logs: Path, postgres_dsn: str, grafana: GrafanaLive) -> Iterator[Site]:
    """Yield the site. Its collectors are stopped at the end."""
    made = Site(tmp_path, server_logs, postgres_dsn, grafana)
    yield made
    for collector in made.collectors:
        assert collector.stop() == 0


def pushed(collector: Collector, result: str) -> float:
    """Return how many windows had this result."""
    return collector.metrics().get("duckwatch_live_pushes_total", {}).get((("result", result),), 0)


def test_commits_move_the_windows_and_a_restart_fills_them(site: Site, grafana: GrafanaLive) -> None:
    """What is committed is in the windows within a second or so; a restart leaves no hole, and nothing counts twice."""
    collector = site.collector()
    collector.start()
    wait_until(lambda: "traffic" in grafana.last, "the first push")
    site.bounce(collector, 7)
    for measurement in ("traffic", "zone_default", "domain_shop.example", "top_domains"):
        wait_until(partial(site.shows, 7, measurement), f"{measurement} shows it")
    newest = grafana.last["ticker"].rows[-1]
    assert (newest["action"], newest["sender_domain"]) == ("bounced", "shop.example")
    assert newest["recipient_domain"] == "gmail.example"
    assert collector.stop() == 0
    grafana.last.clear()
    collector.start()
    wait_until(lambda: site.shows(7), "the windows are filled again")
    assert grafana.last["ticker"].rows[-1] == newest
    site.bounce(collector, 2, zone="new zone")
    wait_until(lambda: site.shows(9), "the new ones are added to them")
    assert {name: len(schemas) for name, schemas in grafana.schemas.items() if len(schemas) > 1} == {}
    assert all(push.status == 200 for push in grafana.pushes)
    assert pushed(collector, "pushed") > 0


@pytest.mark.parametrize("fault", ["hangs", "answers 500", "is away"])
def test_a_fault_of_grafana_holds_no_commit_back(site: Site, grafana: GrafanaLive, fault: str) -> None:
    """While Grafana hangs, refuses or is away, events are committed, lost windows are counted, and memory is flat."""
    collector = site.collector()
    if fault == "is away":
        settings = collector.config.read_text("utf-8").replace(grafana.url, "http://127.0.0.1:1")
        collector.config.write_text(settings, encoding="utf-8")
    grafana.fault = 500 if fault == "answers 500" else None
    if fault == "hangs":
        grafana.hang.set()
    collector.start()
    word = {"hangs": "timeout", "answers 500": "refused", "is away": "unreachable"}[fault]
    wait_until(lambda: pushed(collector, word) >= 1, "a window was lost")
    assert collector.trouble() == {"live": word}
    before = memory_kib(collector)
    senders = Senders([collector])
    wait_until(lambda: pushed(collector, word) >= 4, "more windows were lost", seconds=60)
    acknowledged = senders.finish()
    wait_until(lambda: site.stored() == acknowledged, "every event is committed")
    assert acknowledged > 0
    assert memory_kib(collector) - before < 64 << 10
    if fault == "hangs":
        assert pushed(collector, "dropped") > 0
    if fault == "answers 500":
        seconds = [push.body for push in grafana.pushes]
        assert len(set(seconds)) == len(seconds), "a refused window is not pushed again"
    if fault != "is away":
        grafana.fault = None
        grafana.hang.clear()
        wait_until(lambda: grafana.total("traffic", "queued") == acknowledged, "the windows are whole again")
        wait_until(lambda: not collector.trouble(), "the trouble is over")


def memory_kib(collector: Collector) -> int:
    """Return the memory of the collector's process in KiB."""
    status = Path(f"/proc/{collector.pid}/status").read_text("utf-8")
    return int(status.partition("VmRSS:")[2].split()[0])


def test_one_collector_pushes_for_two(site: Site, grafana: GrafanaLive) -> None:
    """Of two collectors one pushes, with the events of both; when it dies the other takes over, with all events."""
    grafana.tokens = {"canary7391-one", "canary7391-two"}
    one, two = (site.collector(f"canary7391-{name}") for name in ("one", "two"))
    one.start()
    wait_until(lambda: "traffic" in grafana.last, "the first push")
    two.start()
    site.bounce(one, 3)
    site.bounce(two, 4)
    wait_until(lambda: site.shows(7), "both collectors' events are shown")
    site.bounce(two, 5)
    wait_until(lambda: site.shows(12), "the other's later events are shown, too")
    assert {push.token for push in grafana.pushes} == {"canary7391-one"}
    assert "duckwatch_live_pushes_total" not in two.metrics()
    one.kill()
    grafana.last.clear()
    wait_until(lambda: site.shows(12), "the other pushes")
    site.bounce(two, 1)
    wait_until(lambda: site.shows(13), "and goes on")
    one.start()
    since = len(grafana.pushes)
    site.bounce(one, 1)
    wait_until(lambda: site.shows(14), "the first one's events come by way of the other")
    assert {push.token for push in grafana.pushes[since:]} == {"canary7391-two"}


def test_an_expired_token_is_reported_and_renewed(site: Site, grafana: GrafanaLive) -> None:
    """A refused token is named in /readyz and the log, and a new one in the file is used without a restart."""
    collector = site.collector()
    collector.start()
    wait_until(lambda: "traffic" in grafana.last, "the first push")
    grafana.tokens = {"canary7391-new"}
    wait_until(lambda: collector.trouble() == {"live": "unauthorized"}, "the refusal is reported")
    assert pushed(collector, "unauthorized") >= 1
    since = len(grafana.accepted())
    site.write_token(0, "canary7391-new")
    wait_until(lambda: len(grafana.accepted()) > since, "the new token is used", seconds=60)
    wait_until(lambda: not collector.trouble(), "the trouble is over")
    said = [json.loads(line) for line in collector.log.read_text("utf-8").splitlines() if line.startswith("{")]
    lines: list[dict[str, Any]] = [line for line in said if "Grafana Live" in line["message"]]
    assert [line["message"] for line in lines] == ["Grafana Live gets no windows", "Grafana Live gets windows again"]
    assert "token_file" in lines[0]["fields"]["advice"]
