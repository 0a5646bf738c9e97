"""ZoneMTA's speed while the collector hangs: one instance without the plugin and one with it, measured in turn."""

from __future__ import annotations

import contextlib
import os
import signal
import smtplib
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.hung import HungCollector
from tests.servers import installed
from tests.servers.missing import MissingServerError
from tests.servers.process import wait_until
from tests.servers.redis import Redis
from tests.servers.secantus import Secantus
from tests.servers.sinks import Sinks, read_lines
from tests.servers.zonemta import Options, ZoneMTA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SKIPPED = "skipped: run make servers"
SESSIONS = 8
"""SMTP connections that submit at the same time."""
ZONE_CONNECTIONS = 20
"""Enough connections that the sinks' delay (some 45 ms a message) does not limit the delivery."""
DOMAINS = 10
"""Recipient domains: ZoneMTA opens at most five connections to each."""
DEADLINE_SECONDS = 120.0
WARM_UP_MESSAGES = 60
BUDGET_SECONDS = 65.0
"""No further pair of rounds begins after this time, but two pairs run in any case."""
LEAST_ROUNDS = 2
NOT_SPOOLED = "QUEUE_POLL"
"""The one action that the plugin does not spool."""


@dataclass(frozen=True, slots=True)
class Size:
    """Messages of a round, and the most rounds of each ZoneMTA."""

    messages: int
    rounds: int


FULL = Size(messages=80, rounds=6)
QUICK = Size(messages=40, rounds=1)


class MailServer:
    """One ZoneMTA with its own MongoDB and Redis. `plugin` holds the plugin's settings; None means without it."""

    def __init__(self, folder: Path, sinks: Sinks, plugin: dict[str, Any] | None) -> None:
        folder.mkdir()
        self._sinks = sinks
        self._mongo = Secantus(folder / "mongo", folder)
        self._redis = Redis(folder)
        options = Options(
            plugin=plugin,
            thrower=False,
            checks=False,
            zones=("default", "bounces"),
            connections=ZONE_CONNECTIONS,
        )
        mongo = self._mongo.uri("zone-mta")
        self.zonemta = ZoneMTA(folder / "zonemta", folder, sinks, mongo, self._redis.port, options)

    def start(self) -> None:
        """Start ZoneMTA and its servers, and wait until it takes mail."""
        self._redis.start()
        self._mongo.start()
        self.zonemta.start()

    def stop(self) -> None:
        """Stop the servers."""
        for server in (self.zonemta, self._mongo, self._redis):
            server.stop()

    def messages_per_second(self, messages: int) -> float:
        """Run one round: submit the messages, then deliver them. Return messages a second.

        The time is that from the first MAIL to the last 250, and from the first delivery to the last.
        The sender is stopped during the submission. ZoneMTA does not look at an empty zone again for five seconds, so
        the overlap of the two would be random.
        """
        delivered, taken = len(self._deliveries()), self._taken() + messages
        with self._held_back():
            submitting = self._submit(messages)
        wait_until(lambda: self._taken() >= taken, "the sinks have every message", DEADLINE_SECONDS, every=0.1)
        wait_until(lambda: len(self._deliveries()) >= delivered + messages, "every delivery is noted", every=0.2)
        moments = self._deliveries()[delivered:]
        assert len(moments) == messages, f"{len(moments)} deliveries of {messages} messages"
        return messages / (submitting + (moments[-1] - moments[0]) / 1_000)

    @contextlib.contextmanager
    def _held_back(self) -> Iterator[None]:
        (sender,) = self.zonemta.processes("sender/default")
        os.kill(sender, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(sender, signal.SIGCONT)

    def _submit(self, messages: int) -> float:
        """Submit the messages. Return the seconds from the first MAIL to the last 250."""
        with ExitStack() as stack, ThreadPoolExecutor(SESSIONS) as pool:
            sessions = [
                stack.enter_context(
                    smtplib.SMTP("127.0.0.1", self.zonemta.port, local_hostname="app.example", timeout=60)
                )
                for _ in range(SESSIONS)
            ]
            for session in sessions:
                session.ehlo()
            began = time.monotonic()
            shares = [range(start, messages, SESSIONS) for start in range(SESSIONS)]
            list(pool.map(_send, sessions, shares))
            return time.monotonic() - began

    def _taken(self) -> int:
        return self._sinks.seen_file.read_bytes().count(b"\n")

    def _deliveries(self) -> list[int]:
        """Return the sorted times (ms) of the deliveries, from the recording plugin that both instances have."""
        files = self.zonemta.records.glob("sender-*")
        return sorted(one["time_ms"] for one in read_lines(*files) if one["entry"]["action"] == "ACCEPTED")


def _send(session: smtplib.SMTP, numbers: range) -> None:
    for number in numbers:
        recipient = f"ok.{number}@d{number % DOMAINS}.example"
        lines = (
            "From: ops@app.example",
            f"To: {recipient}",
            "Subject: pace",
            f"Message-ID: <{number}@app.example>",
            "",
        )
        content = "\r\n".join([*lines, "x" * 70, "x" * 70, ""])
        refused = session.sendmail("ops@app.example", [recipient], content)
        assert not refused, refused


def _identity(entry: dict[str, Any]) -> tuple[object, ...]:
    return entry["action"], entry.get("id"), entry.get("seq")


def spooled(spool: Path) -> Counter[tuple[object, ...]]:
    """Return the events in the plugin's spools, counted by identity."""
    segments = [file for file in spool.glob("*/*") if file.suffix not in (".json", ".new")]
    return Counter(_identity(event["entry"]) for event in read_lines(*segments))


def recorded(zonemta: ZoneMTA) -> Counter[tuple[object, ...]]:
    """Return the events that the recording plugin saw and the plugin must spool, counted by identity."""
    entries = (one["entry"] for one in zonemta.recorded())
    return Counter(_identity(entry) for entry in entries if entry["action"] != NOT_SPOOLED)


def measure(folder: Path, size: Size) -> dict[str, Any] | str:
    """Run both instances in turn, with files in `folder`. Return the figures, or why the part is skipped."""
    folder.mkdir()
    try:
        installed.zonemta()
        with HungCollector() as collector, ExitStack() as stack:
            return _compare(folder, size, collector, stack)
    except MissingServerError:
        return SKIPPED


def _compare(folder: Path, size: Size, collector: HungCollector, stack: ExitStack) -> dict[str, Any]:
    began = time.monotonic()
    spool = folder / "spool"
    sinks = Sinks(folder, folder)
    without = MailServer(folder / "without", sinks, None)
    hung = MailServer(folder / "hung", sinks, {"url": collector.url, "token": "bench", "spool": str(spool)})
    for server in (sinks, without, hung):
        stack.callback(server.stop)
        server.start()
    for server in (without, hung):
        server.messages_per_second(WARM_UP_MESSAGES)
    paces: dict[MailServer, list[float]] = {without: [], hung: []}
    for number in range(size.rounds):
        if number >= LEAST_ROUNDS and time.monotonic() - began > BUDGET_SECONDS:
            break
        for server in (without, hung) if number % 2 == 0 else (hung, without):
            paces[server].append(server.messages_per_second(size.messages))
    hung.zonemta.stop()
    expected, kept = recorded(hung.zonemta), spooled(spool)
    assert kept == expected, f"the spool differs from the recording: {(expected - kept) + (kept - expected)}"
    assert collector.accepted, "the plugin never called the collector"
    ratios = [ours / bare for ours, bare in zip(paces[hung], paces[without], strict=True)]
    return {
        "messages_of_a_round": size.messages,
        "without_plugin_messages_per_second": _spread(paces[without], 1),
        "collector_hung_messages_per_second": _spread(paces[hung], 1),
        "collector_hung_to_without": _spread(ratios, 3),
        "connections_that_hung": collector.accepted,
        "events_kept_in_spool": kept.total(),
    }


def _spread(figures: list[float], digits: int) -> dict[str, Any]:
    return {"median": round(median(figures), digits), "rounds": [round(figure, digits) for figure in figures]}
