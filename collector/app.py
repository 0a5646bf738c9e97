"""The composition root: builds every part of the collector, joins them, runs them, and takes them down in order."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from collector import jobs
from collector.assembly import Assembler
from collector.config.renewable import Connections
from collector.ending import end_within, together
from collector.enduring import Enduring
from collector.errors import WriterFailedError
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.events.sources.gelf import READERS, READERS_BESIDE_AUTHLOG
from collector.feeds.gelf import MAX_CONNECTIONS as GELF_CONNECTIONS
from collector.feeds.gelf import GelfInput
from collector.journal.age import OldestAge
from collector.journal.kinds import open_journal
from collector.live.publisher import Publisher
from collector.live.pushing import Pusher
from collector.live.reading import Asked
from collector.metrics import Metrics
from collector.metrics.journal import show_journal
from collector.metrics.logins import LoginMetrics
from collector.metrics.mail import MailMetrics
from collector.metrics.plugins import PluginMetrics
from collector.operations.dead_letters import DeadLetters
from collector.operations.subjects import Subjects
from collector.pipeline import Writer, WriterState
from collector.routes import ROUTES, RouteDecoder, border_of, decode_letter
from collector.store.lookups.dead_letters import LetterBox
from collector.store.lookups.traces import Traces
from collector.store.people.subjects import People
from collector.store.reclassification import Reclassification
from collector.store.writing.batch_write import PostgresStore
from collector.web import HttpServer, build_server
from collector.web.renewal import LOOK_SECONDS, Renewal
from duckwatch.base import early
from duckwatch.base.errors import StartError
from duckwatch.base.resources import connections_allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from collector.config import Settings, SettingsFiles
    from collector.config.feeds import MongoSettings
    from collector.config.model import CollectorSettings
    from collector.events.model.batch import DeadLetter, Written
    from collector.events.model.event import Submission
    from collector.feeds.mongo import Follower
    from collector.feeds.mongo.reader import ChangeReader
    from collector.jobs.scheduler import Job
    from collector.telemetry import Signals
    from collector.telemetry.exporting import Telemetry

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
        self._telemetry = None if signals is None else telemetry(signals, self._metrics, settings)
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
            assemble=Enduring(self._assembler, settings.public_ips),
            metrics=self._metrics,
        )
        self._jobs = jobs.Jobs(
            self._connections.direct_dsn,
            list(self._scheduled(settings, mail)),
            metrics=self._metrics,
            now=time.time,
        )
        self._feeds = change_feeds(settings, self._connections, self._metrics, [mail, logins, *inboxes])
        self._web = build_server(
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
        self._gelf = self._gelf_input(settings)

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


def change_feeds(
    settings: CollectorSettings,
    connections: Connections,
    metrics: Metrics,
    listeners: Sequence[Callable[[Written], None]],
) -> list[Follower]:
    """Build the followers of MongoDB's change streams."""
    if not settings.mongo:
        return []
    from collector.feeds.mongo import Follower  # noqa: PLC0415  # pymongo is not even imported where it is not used
    from collector.store.backup.stream_position import FeedStore  # noqa: PLC0415

    return [
        Follower(
            uri,
            reader,
            FeedStore(connections.direct_dsn, mongo.cluster, reader.name),
            cluster=mongo.cluster,
            metrics=metrics,
            listeners=listeners,
            now_ms=_now_ms,
        )
        for mongo, uri in zip(settings.mongo, connections.mongo, strict=True)
        for reader in change_readers(settings, mongo)
    ]


def change_readers(settings: CollectorSettings, mongo: MongoSettings) -> Iterator[ChangeReader]:
    """Yield the readers of a cluster's change streams: one for each database that is followed."""
    from collector.feeds.mongo import QueueReader, wildduck_readers  # noqa: PLC0415

    border = border_of(settings, mongo.cluster)
    if mongo.zonemta_database is not None:
        yield QueueReader(mongo.zonemta_database, mongo.queue_collection, border, settings.public_ips)
    yield from wildduck_readers(mongo, border)


def publisher(settings: CollectorSettings, connections: Connections, metrics: Metrics) -> Publisher | None:
    """Build the publisher of Grafana Live, None while it is off."""
    live, token = settings.live, connections.live_token
    if live is None or token is None:
        return None
    return Publisher(
        connections.direct_dsn,
        Pusher(live.url, live.stream, lambda: token.text),
        Asked(live.watched_domains, live.top_domains),
        metrics=metrics,
        now=time.time,
    )


def telemetry(signals: Signals, metrics: Metrics, settings: CollectorSettings) -> Telemetry:
    """Begin to send the telemetry that the environment configures. Raise `StartError`."""
    from collector.telemetry.exporting import Telemetry  # noqa: PLC0415  # opentelemetry is not even imported while it is off

    return Telemetry(
        signals,
        metrics.registry,
        version=version("duckwatch"),
        instance=f"{socket.gethostname()}:{settings.listen.port}",
        count=lambda signal, result: metrics.telemetry_exports.labels(signal, result).inc(),
    )


def dead_letters(settings: Settings) -> DeadLetters:
    """Build the operations on dead letters."""
    collector = settings.collector
    dsn = collector.database.direct_dsn.get_secret_value()

    def decode_again(body: bytes, letter: DeadLetter) -> Submission:
        return decode_letter(collector, body, letter, received_at=_now_ms())

    return DeadLetters(LetterBox(dsn), PostgresStore(dsn, dsn), decode_again, collector.public_ips)


def subjects(settings: Settings) -> Subjects:
    """Build the operations on data subjects."""
    return Subjects(People(settings.collector.database.direct_dsn.get_secret_value()), pseudonyms(settings))


def traces(settings: Settings) -> Traces:
    """Build the search for a message's events."""
    return Traces(settings.collector.database.direct_dsn.get_secret_value())


def reclassification(settings: Settings) -> Reclassification:
    """Build the operation that judges stored replies again."""
    return Reclassification(settings.collector.database.direct_dsn.get_secret_value())


def pseudonyms(settings: Settings) -> Pseudonyms | None:
    """Return the pseudonyms of `privacy.secret`, or None without a secret."""
    secret = settings.collector.privacy.secret
    return None if secret is None else Pseudonyms(secret.get_secret_value().encode())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
