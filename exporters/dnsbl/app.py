"""The composition root: builds the parts of the exporter, joins them, runs them, and applies reloads."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from duckwatch.base import early
from duckwatch.base.errors import ConfigError, Fault, StartError
from duckwatch.base.resources import Shortages, connections_allowed, shortage_of
from exporters.dnsbl.asking import Resolver, ResolverNames
from exporters.dnsbl.asking.finding import TO_DO, is_address
from exporters.dnsbl.checking.checks import Checks, pairs_of
from exporters.dnsbl.checking.current_verdicts import CurrentVerdicts
from exporters.dnsbl.checking.discovered_targets import PRIVATE, HostNames, SeenAddresses
from exporters.dnsbl.jobs import Jobs
from exporters.dnsbl.metrics import Metrics, PairLines
from exporters.dnsbl.planning.plan_loading import Configuration, read_configuration
from exporters.dnsbl.planning.reloading import ConfigReloader
from exporters.dnsbl.posting import Outbox
from exporters.dnsbl.schedule import Limits, Planner
from exporters.dnsbl.web import Prober, WebServer, notices

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from duckwatch.base.config.addresses import Endpoint
    from exporters.dnsbl.config import DnsblSettings
    from exporters.dnsbl.planning.plan import PlannedTarget
    from exporters.dnsbl.web.notices import Notice

OWN_DESCRIPTORS: Final = 64
"""File descriptors of the exporter itself.

They are the event loop's, the listening sockets, open files, the connection to the collector, and the connections
over the limit that one turn of the loop accepts.
"""

RESOLVER_DESCRIPTORS: Final = 40
"""File descriptors of one resolver: its sockets, retired ones that wait for answers, and TCP connections."""

SHORTAGE_SECONDS: Final = 1.0

log = logging.getLogger(__name__)

WATCH_SECONDS: Final = 2
SHOW_SECONDS: Final = 5
TICK_SECONDS: Final = 1.0
RESOLVER_NAMES_SECONDS: Final = 10
"""Seconds after which the names of resolvers that do not answer or did not resolve are resolved again."""


class App:
    """The running exporter."""

    def __init__(self, path: Path | None, environ: Mapping[str, str], configuration: Configuration) -> None:
        self._configuration = configuration
        self.metrics, self.lines, self.current = Metrics(), PairLines(), CurrentVerdicts()
        self.metrics.build_info.labels(version("duckwatch")).set(1)
        self._jobs = Jobs()
        self._background: set[asyncio.Task[Any]] = set()
        self._hosts = HostNames()
        self._seen = SeenAddresses()
        self._resolver: Resolver | None = None
        self._resolver_settings: tuple[dict[Endpoint, str], list[str], float, int] | None = None
        self._resolver_names = ResolverNames()
        self._retired: set[Resolver] = set()
        self._followed: tuple[Configuration | None, tuple[PlannedTarget, ...]] = (None, ())
        self._is_finding = asyncio.Lock()
        self._reloading = ConfigReloader(path, environ, self.metrics, self._take)
        self._web: WebServer | None = None
        self._shortages = Shortages(
            lambda word: self.metrics.resource_shortages.labels(word).inc(),
            lambda: self._web.make_room() if self._web is not None else None,
        )

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raise `StartError`."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if early.is_asked_to_end():
            stop.set()
        loop.add_signal_handler(signal.SIGHUP, self._reloading.ask)
        web = await self._build(self._configuration.settings)
        await self._listen(web, self._configuration.settings)
        if early.is_asked_to_reload():
            self._reloading.ask()
        parts = (self._checks.run, self._outbox.run, self._reloading.run, self._tick)
        running = [loop.create_task(self._persist(one)) for one in parts]
        ended = loop.create_task(stop.wait())
        await asyncio.wait([ended, *running], return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        await web.stop()
        for task in (ended, *running):
            task.cancel()
        results = await asyncio.gather(*running, return_exceptions=True)
        await self._checks.stop()
        for resolver in (self._resolver, *self._retired):
            if resolver is not None:
                resolver.close()
        self._shortages.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _build(self, settings: DnsblSettings) -> WebServer:
        """Build the parts, apply the configuration to them, and return the web server."""
        self._planner = Planner(_limits(settings), asyncio.get_running_loop().time())
        self._outbox = Outbox(self.metrics, version("duckwatch"))
        self._checks = Checks(self._planner, self.current, self.lines, self.metrics, self._outbox.put)
        await self._resolver_names.find(settings.resolvers)
        self._use(self._configuration)
        self.metrics.reload_successful.set(1)
        self.metrics.reload_success_time.set(time.time())
        prober = Prober(
            self._checks,
            self.metrics,
            lambda: self._configuration.plan,
            lambda: self._configuration.settings.limits.probes_per_minute,
        )
        self._allow_connections(settings)
        self._web = WebServer(
            self.metrics,
            self.lines,
            self.current,
            prober,
            self._planner.pairs,
            lambda: min(self._configuration.settings.limits.connections, self._connections_allowed),
            self._notices,
        )
        return self._web

    async def _listen(self, web: WebServer, settings: DnsblSettings) -> None:
        """Begin to serve. Raise `StartError`."""
        try:
            ports = await web.start(settings.listen)
        except OSError as error:
            raise StartError(f"dnsbl.listen: cannot listen on {error.filename}: {error.strerror}") from None
        fields = {"port": ports[0], "listen": str(settings.listen), "lists": len(self._configuration.plan.lists)}
        log.info("serving", extra={"fields": fields})

    async def _persist(self, part: Callable[[], Awaitable[None]]) -> None:
        """Run a part until it is cancelled. Restart it after a resource shortage; raise any other exception of it."""
        while True:
            try:
                return await part()
            except Exception as error:
                if (word := shortage_of(error)) is None:
                    raise
                self._shortages.met(word)
                await asyncio.sleep(SHORTAGE_SECONDS)

    def _allow_connections(self, settings: DnsblSettings) -> None:
        """Raise the limit of open files to what the settings need, or allow fewer connections."""
        others = OWN_DESCRIPTORS + len(settings.resolvers) * RESOLVER_DESCRIPTORS
        self._connections_allowed = connections_allowed(settings.limits.connections, others=others)

    async def _tick(self) -> None:
        """Run the periodic jobs."""
        self._jobs.clear()
        self._jobs.every(WATCH_SECONDS).seconds.do(self._reloading.look)
        self._jobs.every(SHOW_SECONDS).seconds.do(self._show)
        self._jobs.every(RESOLVER_NAMES_SECONDS).seconds.do(self._find_failing_resolvers)
        self._plan_finding()
        self._find_more()
        while True:
            self._shortages.look()
            self._jobs.run_pending()
            await asyncio.sleep(TICK_SECONDS)

    def _plan_finding(self) -> None:
        self._jobs.clear(self._find_more)
        of_hosts = [host.interval for host in self._configuration.plan.hosts if host.interval is not None]
        interval = (
            min(self._configuration.settings.interval, *of_hosts) if of_hosts else self._configuration.settings.interval
        )
        self._jobs.every(round(interval.total_seconds())).seconds.do(self._find_more).tag(self._find_more)

    def _show(self) -> None:
        self._checks.lapse()
        self._checks.show()

    def _take(self, configuration: Configuration) -> None:
        """Apply a reloaded configuration. Raise ConfigError for a change that needs a restart."""
        if configuration.settings.listen != self._configuration.settings.listen:
            raise ConfigError([Fault("dnsbl.listen", "cannot change while the exporter runs: restart it")])
        self.metrics.reload_successful.set(1)
        self.metrics.reload_success_time.set(time.time())
        if configuration.settings.limits.connections != self._configuration.settings.limits.connections:
            self._allow_connections(configuration.settings)
        if configuration != self._configuration:
            self._use(configuration)
            self._plan_finding()
            self._find_more()
            self._find_resolvers(configuration.settings.resolvers)

    def _use(self, configuration: Configuration) -> None:
        """Apply a valid configuration to every part."""
        self._configuration = configuration
        for warning in configuration.warnings:
            fields = {"key": warning.key, "problem": warning.problem}
            log.warning("a setting is probably a mistake", extra={"fields": fields})
        self._ask_resolvers(configuration.settings)
        self._outbox.use(configuration.settings.collector)
        self._follow()

    def _ask_resolvers(self, settings: DnsblSettings) -> None:
        missing = list(map(str, self._resolver_names.unresolved(settings.resolvers)))
        labels = self._resolver_names.addresses(settings.resolvers)
        wanted = (labels, missing, settings.timeout.total_seconds(), settings.limits.in_flight_per_resolver)
        if wanted == self._resolver_settings or (self._resolver is not None and not labels and not missing):
            return  # nothing has changed, or a reload named new resolvers that are still being resolved
        if self._resolver is not None and self._resolver_settings is not None:
            # The old resolvers stay open until the lookups under way have their answer or time out.
            self._retired.add(self._resolver)
            asyncio.get_running_loop().call_later(4 * self._resolver_settings[2], self._close_retired, self._resolver)
        self._resolver_settings = wanted
        _, _, timeout, in_flight = wanted
        self._resolver = Resolver(
            list(labels),
            timeout_seconds=timeout,
            in_flight=in_flight,
            labels=labels,
            missing=missing,
            on_ignored=lambda reason: self.metrics.answers_ignored.labels(reason).inc(),
            on_shortage=self._shortages.met,
        )
        self.metrics.resolver_up.clear()
        self._checks.ask(self._resolver)

    def _close_retired(self, resolver: Resolver) -> None:
        self._retired.discard(resolver)
        resolver.close()

    def _find_failing_resolvers(self) -> None:
        """Resolve again the names of resolvers that do not answer or have no address."""
        assert self._resolver is not None
        settings, failing = self._configuration.settings, self._resolver.failing()
        missing = self._resolver_names.unresolved(settings.resolvers)
        self._find_resolvers([one for one in settings.resolvers if one in missing or str(one) in failing])

    def _find_resolvers(self, configured: Sequence[Endpoint]) -> None:
        async def find() -> None:
            await self._resolver_names.find(configured)
            self._ask_resolvers(self._configuration.settings)

        if not all(is_address(endpoint.host) for endpoint in configured):
            self._in_background(find())

    def _notices(self) -> list[Notice]:
        """Return the notices that the page shows above the verdicts."""
        unresolved = self._resolver_names.unresolved(self._configuration.settings.resolvers)
        resolver = self._checks.questions.resolver
        silent = [name for name, is_up in resolver.states().items() if not is_up] if resolver is not None else []
        return [
            *notices.of_resolvers(unresolved, TO_DO, silent),
            *notices.of_names(self._hosts.faults),
            *notices.of_lists(self._checks.watches.items()),
            *notices.of_settings(self._configuration.warnings),
        ]

    def _follow(self) -> None:
        """Check the configured and the discovered targets. A target that a reload still names keeps its state."""
        configuration, resolver = self._configuration, self._resolver
        assert resolver is not None
        link = configuration.settings.collector
        public = configuration.settings.public_ips
        seen = self._seen.targets(public) if link is not None and link.targets else []
        targets, left_out = configuration.plan.with_found(
            [*self._hosts.targets(configuration.plan.hosts, public), *seen]
        )
        self.metrics.targets.set(len(targets))
        self.metrics.targets_left_out.set(left_out)
        if self._followed[0] is configuration and self._followed[1] == targets:
            return  # the usual case: no target has changed
        self._followed = (configuration, targets)
        pairs = list(pairs_of(configuration.plan, targets))
        gone = self._planner.replace(pairs, _limits(configuration.settings), asyncio.get_running_loop().time())
        self._checks.use(resolver, pairs)
        for pair in gone:
            self._checks.forget(pair)

    def _find_more(self) -> None:
        self._in_background(self._find())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _find(self) -> None:
        """Resolve the host names and read the collector's addresses, never twice at a time."""
        if self._is_finding.locked():
            return
        async with self._is_finding:
            configuration: Configuration | None = None
            while configuration is not self._configuration:  # a reload meanwhile may have brought other names
                configuration = self._configuration
                await self._find_in(configuration)
                self._follow()

    async def _find_in(self, configuration: Configuration) -> None:
        settings, link, resolver = configuration.settings, configuration.settings.collector, self._resolver
        assert resolver is not None
        hosts = configuration.plan.hosts
        await self._hosts.resolve(hosts, resolver, settings.interval.total_seconds(), settings.public_ips)
        faults = self._hosts.faults
        self.metrics.names_unresolved.set(sum(fault != PRIVATE for fault in faults.values()))
        self.metrics.target_resolved.clear()
        for host in hosts:
            self.metrics.target_resolved.labels(host.name).set(host.name not in faults)
        if link is not None and link.targets:
            await self._seen.read(link)


def _limits(settings: DnsblSettings) -> Limits:
    return Limits(settings.limits.queries_per_minute, settings.limits.in_flight_per_list)


def serve(path: Path | None, environ: Mapping[str, str] = os.environ) -> None:
    """Run the exporter until SIGTERM or SIGINT. Raise `ConfigError` or `StartError`."""
    configuration = read_configuration(path, environ)

    async def run() -> None:
        await App(path, environ, configuration).run()

    asyncio.run(run())
