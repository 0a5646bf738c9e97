"""A run of the demo: starts database, collector, DNSBL exporter and traffic, watches them, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from duckwatch.demo.alerting import Alerting, programs
from duckwatch.demo.blocklists import BlockLists
from duckwatch.demo.day import Day
from duckwatch.demo.errors import DemoError, StoppedError
from duckwatch.demo.exporter import Exporter
from duckwatch.demo.feed import Feed, wait
from duckwatch.demo.figures import Figures, count_rows, newest_bounce, scrape
from duckwatch.demo.postgres import Postgres, free_port, wheel
from duckwatch.demo.service import Service
from duckwatch.demo.show import RunAddresses, RunTotals, Screen
from duckwatch.demo.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

DNSBL_PORT = 9627
OTHER_PORT = 9700
SCRAPE_SECONDS = 2.0
SETTLE_SECONDS = 60.0
"""Seconds that the end waits until all acknowledged events are stored."""


@dataclass(frozen=True, slots=True)
class Options:
    """The user's options: events a second (0: none), length in seconds (None: until stopped), hours of history."""

    rate: float
    seconds: float | None
    port: int
    data: Path | None
    history_hours: float


class Interrupts:
    """SIGINT, SIGTERM and SIGHUP. The first signal sets `stop`, the next one `hurry`, for an immediate end."""

    def __init__(self) -> None:
        self.stop, self.hurry = asyncio.Event(), asyncio.Event()

    def listen(self) -> None:
        """Install the signal handlers."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._take)

    def _take(self) -> None:
        (self.hurry if self.stop.is_set() else self.stop).set()


async def play(options: Options, random: Random, screen: Screen) -> None:
    """Run the demo and stop every server at its end. Raise DemoError or StoppedError."""
    interrupts = Interrupts()
    interrupts.listen()
    port = options.port or free_port()
    check_port(port)
    wheel()
    async with AsyncExitStack() as stack:
        home = stack.enter_context(_home(options.data))
        screen.starting("PostgreSQL")
        postgres = Postgres(home / "postgres", home / "postgres.log")
        stack.push_async_callback(postgres.stop, interrupts.hurry)
        await postgres.start(interrupts.stop)
        screen.starting("the collector")
        service = Service(home, port, postgres.dsn)
        stack.push_async_callback(service.stop, interrupts.hurry)
        await service.start(interrupts.stop)
        rows_before = await count_rows(postgres.dsn)
        day = plan(options, now_ms())
        exporter = await _ask_lists(stack, service, home, day, interrupts, port=_dnsbl_port(options))
        alerting = await _watch(stack, service, exporter, home, interrupts, screen)
        place = _place(service, exporter, postgres, home, alerting, kept=options.data is not None)
        screen.ready(place)
        feed = Feed(service.url, service.token, Traffic(random, day), now_ms)
        show = _Show(service, exporter, postgres, alerting, feed, screen, place)
        await show.go_on(options.seconds, interrupts)
        total = await show.total(rows_before)
    screen.done(total)


async def _ask_lists(
    stack: AsyncExitStack, service: Service, home: Path, day: Day, interrupts: Interrupts, *, port: int
) -> Exporter:
    """Start the demo's lists, and the exporter that asks only them."""
    lists = BlockLists(day, now_ms)
    await lists.start()
    stack.callback(lists.close)
    exporter = Exporter(home, port, lists.address, service)
    stack.push_async_callback(exporter.stop, interrupts.hurry)
    await exporter.start(interrupts.stop)
    if day.rate:
        await exporter.tell_of(day)
    return exporter


async def _watch(
    stack: AsyncExitStack, service: Service, exporter: Exporter, home: Path, interrupts: Interrupts, screen: Screen
) -> Alerting | None:
    """Start Prometheus and Alertmanager. Return None where this machine lacks one of them."""
    paths = programs()
    if paths is None:
        return None
    screen.starting("Prometheus and Alertmanager")
    targets = {"duckwatch-collector": service.url, "duckwatch-dnsbl": exporter.url}
    alerting = Alerting(home, paths, {job: url.removeprefix("http://") for job, url in targets.items()})
    stack.push_async_callback(alerting.stop, interrupts.hurry)
    await alerting.start(interrupts.stop)
    return alerting


def _dnsbl_port(options: Options) -> int:
    """Return the exporter's usual port if the collector has its usual one and the port is free, else a free port."""
    with contextlib.suppress(DemoError):
        if options.port:
            check_port(DNSBL_PORT)
            return DNSBL_PORT
    return free_port()


class _Show:
    """The part of a run between its start and its end."""

    def __init__(
        self,
        service: Service,
        exporter: Exporter,
        postgres: Postgres,
        alerting: Alerting | None,
        feed: Feed,
        screen: Screen,
        place: RunAddresses,
    ) -> None:
        self._service, self._exporter, self._postgres, self._alerting = service, exporter, postgres, alerting
        self._feed, self._screen, self._place = feed, screen, place
        self._has_bounced = False
        self._figures = Figures()
        self._began = time.monotonic()

    async def go_on(self, seconds: float | None, interrupts: Interrupts) -> None:
        """Send events and show counts until the time is over or the user stops it. Then wait until all is stored."""
        end = math.inf if seconds is None else self._began + seconds
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(SCRAPE_SECONDS)) as session:
            feeding = asyncio.ensure_future(self._feed.run(interrupts.stop))
            try:
                while not interrupts.stop.is_set() and not feeding.done():
                    await self._look(session)
                    await wait(interrupts.stop, min(1.0, end - time.monotonic()))
                    if time.monotonic() >= end:
                        interrupts.stop.set()
                self._screen.stopping()
                await self._settle(session, feeding, interrupts.hurry)
            finally:
                feeding.cancel()

    async def _look(self, session: aiohttp.ClientSession) -> bool:
        """Show the present counts. Return False when the collector does not answer in time.

        Raise DemoError when a server has ended.
        """
        self._service.check()
        self._exporter.check()
        self._postgres.check()
        try:
            self._figures = await scrape(session, self._service.url)
        except (aiohttp.ClientError, TimeoutError):
            return False
        if not self._has_bounced and self._figures.actions.get("bounced"):
            queue_id = await newest_bounce(self._postgres.dsn)
            if queue_id is not None:
                self._has_bounced = True
                self._screen.bounced(self._place, queue_id)
        if self._alerting is not None:
            self._alerting.check()
            if self._feed.is_live and not self._figures.waiting:
                self._alerting.begin()
            self._screen.alerts(await self._alerting.firing(session))
        self._screen.counts(self._feed.tally, self._figures)
        return True

    async def _settle(
        self, session: aiohttp.ClientSession, feeding: asyncio.Future[None], hurry: asyncio.Event
    ) -> None:
        """Wait until all answers have come and the journal is empty, which means that all events are committed.

        Raise DemoError or StoppedError.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            was_done = feeding.done()
            if was_done:
                feeding.result()
            if await self._look(session) and was_done and not self._figures.waiting:
                return
            if hurry.is_set():
                raise StoppedError
            await wait(hurry, 0.1)
        raise self._service.failure(f"did not store what it acknowledged within {SETTLE_SECONDS:.0f} s")

    async def total(self, rows_before: int) -> RunTotals:
        """Return the totals of the run. `rows_before` is the number of rows in the table at its start."""
        stored = await count_rows(self._postgres.dsn) - rows_before
        seconds = round(time.monotonic() - self._began, 1)
        tally = self._feed.tally
        return RunTotals(tally.sent, tally.acknowledged, stored, self._figures.duplicates, seconds)


def plan(options: Options, now: int) -> Day:
    """Return the plan of the traffic, whose live part begins `now` (epoch ms)."""
    return Day(options.rate, now, history_seconds=round(options.history_hours * 3_600))


def now_ms() -> int:
    """Return the present time in epoch ms."""
    return time.time_ns() // 1_000_000


def check_port(port: int) -> None:
    """Raise DemoError when that port of loopback is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"127.0.0.1:{port} cannot be used ({error.strerror}). Type: make demo DEMO='--port {_other(port)}'"
            ) from None


def _other(port: int) -> int:
    """Return a port to suggest: the first free one from 9700 on."""
    for one in range(OTHER_PORT, OTHER_PORT + 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", one))
            if one != port:
                return one
    return 0  # a free one


@contextlib.contextmanager
def _home(data: Path | None) -> Iterator[Path]:
    """Yield the folder of a run: the user's, which stays, or one that is removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="duckwatch-demo-")) if data is None else data.absolute()
    try:
        if data is None or not home.exists():
            home.mkdir(parents=True, exist_ok=True)
            # As root, PostgreSQL runs as another account, which must enter this folder. The files in it stay private.
            home.chmod(0o711 if os.geteuid() == 0 else 0o700)
    except OSError as error:
        raise DemoError(f"{home}: {error.strerror}") from None
    try:
        yield home
    finally:
        if data is None:
            shutil.rmtree(home, ignore_errors=True)


def _place(
    service: Service, exporter: Exporter, postgres: Postgres, home: Path, alerting: Alerting | None, *, kept: bool
) -> RunAddresses:
    program = Path(sys.executable).with_name("duckwatch-collector")
    return RunAddresses(
        service.url,
        exporter.url,
        postgres.dsn,
        service.token,
        str(service.token_file),
        str(home),
        kept,
        "psql" if shutil.which("psql") else str(wheel() / "psql"),
        str(program),
        str(service.configuration),
        *((None, None) if alerting is None else (alerting.url("prometheus"), alerting.url("alertmanager"))),
    )
