"""The composition root: builds every part of the collector, joins them, runs them, and takes them down in order."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from collector import jobs
from collector.assembly import Assembler
from collector.config.renewable import Connections
from collector.ending import end_within, together
from collector.enduring import FallbackAssembler
from collector.errors import WriterFailedError
from collector.events.sources.gelf import READERS, READERS_BESIDE_AUTHLOG
from collector.feeds.gelf import MAX_CONNECTIONS as GELF_CONNECTIONS
from collector.feeds.gelf import GelfInput
from collector.journal.age import OldestAge
from collector.journal.kinds import open_journal
from collector.metrics import Metrics
from collector.metrics.journal import show_journal
from collector.metrics.logins import LoginMetrics
from collector.metrics.mail import MailMetrics
from collector.metrics.plugins import PluginMetrics
from collector.optional_parts import build_telemetry, change_feeds, publisher
from collector.pipeline import Writer, WriterState
from collector.routes import ROUTES, RouteDecoder, border_of
from collector.store.writing.batch_write import PostgresStore
from collector.web import HttpServer, build_server
from collector.web.renewal import LOOK_SECONDS, Renewal
from duckwatch.base import early
from duckwatch.base.errors import StartError
from duckwatch.base.resources import connections_allowed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.config import SettingsFiles
    from collector.config.model import CollectorSettings
    from collector.jobs.scheduler import Job
    from collector.telemetry import Signals
    from collector.telemetry.tracing import Tracing

OWN_DESCRIPTORS: Final = 80
"""Descriptors that are not HTTP connections: about 30 for the loop, the listening sockets, the journal's files,
connections to the database, the assembler's pipes and files that are read.

About 32 more are for connections that were closed for others, which keep their descriptors until the loop's next turns.
"""

FEED_DESCRIPTORS: Final = 32
"""Descriptors for one cluster's MongoDB: five streams, each with connections to the replica set and to our database."""

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 9.0
"""After SIGTERM: how long HTTP and GELF, and then the writer, may take.

Unwritten submissions stay in the journal.

HTTP and GELF are stopped together, then all that uses the database, then the rest.
If each hangs, these steps take 9 s, 11 s and 5 s.
"""

END_SECONDS: Final = 28.0
"""After SIGTERM: when the process ends, whatever still hangs. Kubernetes waits for 30 seconds."""


class App:
    """The running collector. `signals` is the telemetry to send, or None while it is off."""

    def __init__(self, settings: CollectorSettings, files: SettingsFiles, signals: Signals | None = None) -> None:
        self._settings = settings
        self._files = files
        self._metrics = Metrics()
        self._metrics.build_info.labels(version("duckwatch")).set(1)
        self._telemetry = None if signals is None else build_telemetry(signals, self._metrics, settings)
        tracing = None if self._telemetry is None else self._telemetry.tracing
        self._plugins = PluginMetrics(self._metrics)
        connections = allowed_connections(settings)
        self._journal = open_journal(settings.journal)
        self._journal_age = OldestAge(lambda: self._journal.state.oldest_received_at)
        show_journal(self._metrics, settings.journal.max_bytes, lambda: self._journal.state, self._journal_age)
        if settings.database.capacity is not None:
            self._metrics.store_capacity_bytes.set(settings.database.capacity)
        self._connections = Connections(settings)
        self._store = PostgresStore(self._connections.dsn, self._connections.direct_dsn, kept=settings.retention)
        self._assembler = Assembler(settings.public_ips, is_live=settings.live is not None)
        mail = MailMetrics(self._metrics, now=time.time, addresses=settings.sending_addresses)
        logins = LoginMetrics(self._metrics)
        self._live = publisher(settings, self._connections, self._metrics)
        inboxes = [] if self._live is None else [self._live.inbox]
        self._writer = Writer(
            self._journal,
            self._store if tracing is None else tracing.store(self._store),
            prepare=self._prepare,
            listeners=[mail, logins, self._plugins, *inboxes],
            assemble=FallbackAssembler(self._assembler, settings.public_ips),
            metrics=self._metrics,
        )
        self._jobs = jobs.Jobs(
            self._connections.direct_dsn,
            list(self._scheduled(settings, mail)),
            metrics=self._metrics,
            now=time.time,
        )
        self._feeds = change_feeds(settings, self._connections, self._metrics, [mail, logins, *inboxes])
        self._web = self._server(settings, tracing, connections)
        self._gelf = self._gelf_input(settings)

    def _server(self, settings: CollectorSettings, tracing: Tracing | None, connections: int) -> HttpServer:
        """Build the HTTP server for at most this many connections."""
        return build_server(
            settings,
            decoders={path: RouteDecoder(settings, read) for path, read in ROUTES.items()},
            submit=self._journal.append,
            checks=self._checks,
            details=self._details,
            sqlstates=self._sqlstates,
            metrics=self._metrics,
            clock_ms=_now_ms,
            tracing=tracing,
            max_connections=connections,
        )

    def _scheduled(self, settings: CollectorSettings, mail: MailMetrics) -> Iterator[Job]:
        """Yield the jobs, in the order in which they run."""
        yield jobs.Reconcile(
            {one.cluster: one.grace for one in settings.mongo},
            journal_age=self._journal_age,
            count=mail,
        )
        if settings.mongo:
            yield jobs.QueueState(self._metrics)
        yield jobs.Complaints(mail)
        yield jobs.Suspects(self._metrics)
        yield jobs.RollUp(settings.retention)
        yield jobs.NewPatterns(self._metrics)
        yield jobs.RetentionJob(settings.retention)
        yield jobs.Housekeeping(settings.retention.dead_letters)
        yield jobs.ReaderQueries(settings.database.reader_timeout)
        yield jobs.Sizes(self._metrics)
        yield jobs.OpenTransactions(self._metrics)
        yield jobs.Policies(self._metrics)

    def _gelf_input(self, settings: CollectorSettings) -> GelfInput | None:
        gelf = settings.gelf
        if gelf is None:
            return None
        border = border_of(settings, gelf.cluster)
        followed = {one.cluster for one in settings.mongo if one.logins_database is not None}
        return GelfInput(
            gelf,
            border=border,
            submit=self._journal.append,
            clock_ms=_now_ms,
            metrics=self._metrics,
            readers=READERS_BESIDE_AUTHLOG if gelf.cluster in followed else READERS,
        )

    def _prepare(self) -> None:
        """Prepare the schema, restore the plugins' gauges, and start the jobs, the feeds and Live. The writer repeats
        this until the database answers.
        """
        self._store.prepare()
        self._plugins.restore(self._store.heartbeats())
        self._jobs.start()
        for feed in self._feeds:
            feed.start()
        if self._live is not None:
            self._live.start()

    def _checks(self) -> Mapping[str, str | None]:
        writer = self._writer
        is_writing = writer.state is WriterState.WRITING
        return {
            "database": writer.waits.trouble if is_writing else writer.trouble or writer.state,
            "journal": self._journal.trouble,
        }

    def _details(self) -> Mapping[str, str | None]:
        inside = {
            "assembler": self._assembler.trouble,
            "jobs": self._jobs.waits.trouble,
            "machine": self._web.shortages.trouble,
            "live": None if self._live is None else self._live.trouble,
        }
        return inside | {f"feed {one.name}": one.trouble for one in self._feeds}

    def _sqlstates(self) -> Mapping[str, str | None]:
        return {"database": self._writer.sqlstate, **{f"feed {one.name}": one.sqlstate for one in self._feeds}}

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raise `StartError`, and `WriterFailedError` when a restart is needed."""
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if early.is_asked_to_end():
            stop.set()
        try:
            ports = await self._listen()
        except StartError:
            self._journal.close()
            raise
        self._journal.log_start()
        renewal = Renewal(
            self._files, self._web, self._metrics, connections=self._connections, look_seconds=LOOK_SECONDS
        )
        loop.add_signal_handler(signal.SIGHUP, renewal.ask)
        if early.is_asked_to_reload():
            renewal.ask()
        renewing = asyncio.create_task(renewal.run())
        self._writer.start(on_failure=lambda: loop.call_soon_threadsafe(stop.set))
        log.info("serving", extra={"fields": {"port": ports[0], "listen": str(self._settings.listen)}})
        await stop.wait()
        log.info("stopping")
        end_within(END_SECONDS)
        renewing.cancel()
        inputs: list[HttpServer | GelfInput] = [self._web] if self._gelf is None else [self._web, self._gelf]
        await asyncio.gather(*[one.stop(GRACE_SECONDS) for one in inputs])
        await asyncio.to_thread(self._stop_threads)
        log.info("stopped", extra={"fields": {"requests_in_journal": self._journal.state.requests}})
        if self._writer.refusal is not None:
            raise self._writer.refusal
        if self._writer.state is WriterState.FAILED:
            raise WriterFailedError(
                "the writer failed: see the log; the submissions in the journal are written at the next start"
            )

    async def _listen(self) -> list[int]:
        """Listen for HTTP and GELF, and return the ports of HTTP. Raise `StartError`."""
        try:
            ports = await self._web.start(self._settings.listen)
        except OSError as error:
            raise StartError(f"collector.listen: cannot listen on {error.filename}: {error.strerror}") from None
        if self._gelf is not None:
            await self._gelf.start()
        return ports

    def _stop_threads(self) -> None:
        feeds = [feed.stop for feed in self._feeds]
        live = [] if self._live is None else [self._live.stop]
        together(self._jobs.stop, partial(self._writer.stop, GRACE_SECONDS), *feeds, *live)
        telemetry = [] if self._telemetry is None else [self._telemetry.close]
        together(self._close_journal, self._store.close, self._assembler.close, *telemetry)

    def _close_journal(self) -> None:
        if not self._journal.close():
            log.error("the journal's disk does not answer: its submissions are written at the next start")


def allowed_connections(settings: CollectorSettings) -> int:
    """Return the number of HTTP connections that the limit of open files leaves room for."""
    others = OWN_DESCRIPTORS + len(settings.mongo) * FEED_DESCRIPTORS
    if settings.gelf is not None and settings.gelf.tcp is not None:
        others += GELF_CONNECTIONS
    return connections_allowed(settings.limits.connections, others=others)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
