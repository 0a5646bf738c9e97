"""Resolvers configured by host name: when they are resolved, what happens while they do not, and the log."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import TYPE_CHECKING

from duckwatch.base.config.addresses import Endpoint
from exporters.dnsbl.app import App
from exporters.dnsbl.asking import Resolver, ResolverNames
from exporters.dnsbl.asking.resolver import AskingList
from exporters.dnsbl.asking.wire import A
from exporters.dnsbl.lists import DnsList
from exporters.dnsbl.lists.names import target
from exporters.dnsbl.planning.plan_loading import read_configuration
from exporters.dnsbl.verdicts.lookup_result import Failure, Trouble
from tests.servers.nameserver import Zone
from tests.servers.process import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.servers.nameserver import NameServer
    from tests.unit.dnsbl.conftest import ResolverUnderTest

UNBOUND, FIXED = Endpoint("unbound", 53), Endpoint("127.0.0.1", 53)


async def test_a_name_keeps_its_addresses_while_it_does_not_resolve(caplog: pytest.LogCaptureFixture) -> None:
    """A name keeps its addresses while it does not resolve, and the begin and end of that are logged once."""
    caplog.set_level("INFO", "exporters")
    answers: dict[str, tuple[str, ...]] = {}
    names = ResolverNames(lambda host: answers.get(host, ()))
    configured = [UNBOUND, FIXED]
    for _ in range(2):
        await names.find(configured)
    assert (names.addresses(configured), names.unresolved(configured)) == ({FIXED: "127.0.0.1:53"}, [UNBOUND])
    answers["unbound"] = ("10.0.0.2", "fd00::2")
    await names.find(configured)
    both = {Endpoint("10.0.0.2", 53): "unbound:53", Endpoint("fd00::2", 53): "unbound:53", FIXED: "127.0.0.1:53"}
    assert (names.addresses(configured), names.unresolved(configured)) == (both, [])
    answers.clear()
    await names.find(configured)
    assert (names.addresses(configured), names.unresolved(configured)) == (both, [UNBOUND])
    answers["unbound"] = ("10.0.0.3",)
    await names.find(configured)
    answers["unbound"] = ("10.0.0.4",)
    await names.find(configured)
    assert [record.message.removeprefix("a resolver") for record in caplog.records] == [
        "'s name does not resolve",
        "'s name resolves again",
        "'s name does not resolve",
        "'s name resolves again",
        " has other addresses",
    ]


async def test_a_system_resolver_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hanging system resolver delays neither start nor stop: the name counts as not resolving."""
    monkeypatch.setattr("exporters.dnsbl.asking.finding.PATIENCE_SECONDS", 0.05)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(host: str) -> tuple[str, ...]:
        asyncio.run_coroutine_threadsafe(over.wait(), loop).result()
        return (host,)

    names = ResolverNames(hang)
    await names.find([UNBOUND])
    assert names.unresolved([UNBOUND]) == [UNBOUND]
    over.set()


async def test_without_a_resolver_each_question_fails_at_once() -> None:
    """Without a resolver each lookup fails at once, not counted against the list."""
    resolver = Resolver([], timeout_seconds=5.0, in_flight=8, missing=["unbound:53"])
    asked = target("192.0.2.1").wire + DnsList("bl.example").wire
    assert await resolver.lookup(asked, A, AskingList("bl.example", lambda: True, lambda _: None)) == Failure(
        Trouble.UNREACHABLE
    )
    assert resolver.states() == {"unbound:53": False}
    assert resolver.free_places > 0
    resolver.close()


async def test_a_resolver_that_does_not_answer_is_known_as_such(
    nameserver: NameServer, asking: Callable[..., ResolverUnderTest]
) -> None:
    """A resolver counts as failing, under its configured name, after three failures in a row, even at one list."""
    labels = {Endpoint("127.0.0.1", free_port()): "unbound:53", Endpoint("127.0.0.1", nameserver.port): "good:53"}
    resolver = Resolver(list(labels), timeout_seconds=0.1, in_flight=8, labels=labels)
    asked = target("192.0.2.1").wire + DnsList("bl.example").wire
    for _ in range(6):
        await resolver.lookup(asked, A, AskingList("bl.example", lambda: True, lambda _: None))
    assert resolver.failing() == {"unbound:53"}
    assert set(resolver.states()) == {"unbound:53", "good:53"}
    resolver.close()


async def test_a_resolver_that_moved_is_found_again(
    nameserver: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a resolver whose address no longer answers is resolved again, because it may have moved."""
    monkeypatch.setattr("exporters.dnsbl.app.RESOLVER_NAMES_SECONDS", 1)
    nameserver.zones["bl.example"] = Zone("bl.example")
    path = tmp_path / "duckwatch.yml"
    section = {"resolvers": [f"unbound:{nameserver.port}"], "lists": ["bl.example"], "targets": ["192.0.2.1"]}
    path.write_text(json.dumps({"dnsbl": {"listen": "127.0.0.1:0", "timeout": "100ms", **section}}))
    app = App(path, {}, read_configuration(path, {}))
    answers = {"unbound": ("127.0.0.2",)}
    app._resolver_names = ResolverNames(lambda host: answers[host])
    running = asyncio.create_task(app.run())
    moved = {Endpoint("127.0.0.1", nameserver.port): f"unbound:{nameserver.port}"}
    await asyncio.to_thread(wait_until, lambda: app._resolver and app._resolver.failing(), "it does not answer")
    answers["unbound"] = ("127.0.0.1",)
    await asyncio.to_thread(wait_until, lambda: app._resolver and app._resolver._labels == moved, "it was found again")
    os.kill(os.getpid(), signal.SIGTERM)
    await running
