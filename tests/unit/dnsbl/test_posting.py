"""Results that wait for the collector: limited, the newest kept, lost ones counted."""

from __future__ import annotations

from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from collector.events.sources.dnsbl import MEANING_CHARACTERS
from exporters.dnsbl.checking.current_verdicts import Change
from exporters.dnsbl.config.model import CollectorSettings
from exporters.dnsbl.lists import DnsList
from exporters.dnsbl.lists.names import target
from exporters.dnsbl.metrics import Metrics
from exporters.dnsbl.posting import Outbox, result_of
from exporters.dnsbl.schedule import Pair
from exporters.dnsbl.verdicts.lookup_result import Answer
from exporters.dnsbl.verdicts.verdict import CLEAN, judge

PAIR = Pair(target("192.0.2.1"), DnsList("bl.example"), 300.0)


def change(time_ms: int) -> Change:
    return Change(time_ms, PAIR, CLEAN, None, CLEAN.kind, time_ms, None)


def times(outbox: Outbox) -> list[int]:
    return [msgspec.json.decode(result)["time"] for result in outbox._waiting]


def test_each_fate_of_a_result_is_counted_from_zero() -> None:
    """A first lost result is an increase, not a new series, so DuckwatchDnsblResultsLost sees it."""
    sample = Metrics().registry.get_sample_value
    for result in ("sent", "rejected", "refused", "dropped"):
        assert sample("duckwatch_dnsbl_results_total", {"result": result}) == 0


async def test_the_oldest_go_when_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest results are dropped and counted when too many or too many bytes wait."""
    metrics = Metrics()
    outbox = Outbox(metrics, "0")
    outbox.use(CollectorSettings())
    monkeypatch.setattr("exporters.dnsbl.posting.MAX_WAITING", 5)
    for number in range(8):
        outbox.put(change(number))
    assert times(outbox) == [3, 4, 5, 6, 7]
    size = len(outbox._waiting[0])
    monkeypatch.setattr("exporters.dnsbl.posting.MAX_WAITING_BYTES", 3 * size)
    outbox.put(change(8))
    assert times(outbox) == [6, 7, 8]
    assert outbox._bytes == 3 * size
    sample = metrics.registry.get_sample_value
    assert sample("duckwatch_dnsbl_results_total", {"result": "dropped"}) == 6
    assert sample("duckwatch_dnsbl_results_waiting") == 3


async def test_a_result_that_was_dropped_while_it_was_sent_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result dropped while its batch is being sent counts as dropped only."""
    metrics = Metrics()
    outbox = Outbox(metrics, "0")
    outbox.use(CollectorSettings())
    monkeypatch.setattr("exporters.dnsbl.posting.MAX_WAITING", 3)
    for number in range(3):
        outbox.put(change(number))
    batch = outbox._batch()
    outbox.put(change(3))
    outbox._forget(batch, "sent", len(batch))
    sample = metrics.registry.get_sample_value
    found = [sample("duckwatch_dnsbl_results_total", {"result": word}) for word in ("dropped", "sent")]
    assert found == [1, 2]
    assert times(outbox) == [3]


async def test_without_a_collector_nothing_is_kept() -> None:
    """Without a collector no result is kept, and waiting ones are discarded by a reload."""
    outbox = Outbox(Metrics(), "0")
    outbox.put(change(1))
    assert times(outbox) == []
    outbox.use(CollectorSettings())
    outbox.put(change(2))
    outbox.use(CollectorSettings(post=False))
    assert times(outbox) == []
    assert outbox._bytes == 0


@pytest.mark.parametrize("answer", ["127.255.255.252", "127.255.255.254", "127.0.0.1", "198.51.100.9"])
def test_what_to_do_about_a_refusal_fits_the_collectors_column(answer: str) -> None:
    """No advice is longer than the collector's limit for a meaning."""
    refused = judge(Answer((answer,), 60), PAIR.dns_list)
    meanings = result_of(Change(0, PAIR, refused, None, None, None, None))["meanings"]
    assert "dnsbl.resolvers" in meanings[-1]
    assert max(map(len, meanings)) <= MEANING_CHARACTERS


async def test_only_the_collector_can_refuse_results() -> None:
    """A 400 or 413 refuses results only with the collector's header; a proxy's answer keeps them."""
    said: dict[str, Any] = {}

    async def answer(request: web.BaseRequest) -> web.Response:
        assert request.headers["Duckwatch-Length"] == str(len(await request.read()))
        return web.Response(**said)

    async with RawTestServer(answer) as server, aiohttp.ClientSession() as session:
        metrics = Metrics()
        outbox = Outbox(metrics, "0")
        outbox.use(CollectorSettings(url=str(server.make_url("")).rstrip("/")))
        for number in range(4):
            outbox.put(change(number))
        for status in (400, 413, 415, 422):
            said["status"] = status
            assert await outbox._send_some(session) > 0
        assert (times(outbox), len(outbox._batch())) == ([0, 1, 2, 3], 4)
        said.update(status=413, headers={"Duckwatch-Version": "0.1.0"})
        assert await outbox._send_some(session) == 0
        assert len(outbox._batch()) == 2
        await outbox._send_some(session)
        await outbox._send_some(session)
        assert times(outbox) == [1, 2, 3]
        assert metrics.registry.get_sample_value("duckwatch_dnsbl_results_total", {"result": "refused"}) == 1


async def test_only_the_collector_can_take_results(caplog: pytest.LogCaptureFixture) -> None:
    """A 200, and a 202 of another server, keep the results, and one log line says so."""
    said: dict[str, Any] = {}

    async def answer(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(**said)

    async with RawTestServer(answer) as server, aiohttp.ClientSession() as session:
        outbox = Outbox(Metrics(), "0")
        outbox.use(CollectorSettings(url=str(server.make_url("")).rstrip("/")))
        outbox.put(change(0))
        for status, text in ((200, '{"accepted":1}'), (204, ""), (202, "<html>"), (202, '{"status":"queued"}')):
            said.update(status=status, text=text)
            assert await outbox._send_some(session) > 0
        assert times(outbox) == [0]
        assert caplog.text.count("the collector does not take results") == 1
        for more in ({"text": '{"accepted":1,"rejected":[]}'}, {"text": "", "headers": {"Duckwatch-Version": "1"}}):
            said.update(status=202, **more)
            outbox.put(change(1))
            assert await outbox._send_some(session) == 0
            assert times(outbox) == []
