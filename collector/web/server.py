"""The HTTP server: its routes, the answers to errors, start and stop.

It is aiohttp's low-level server with a dict of routes, because `Application` takes a third of a small request's time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from aiohttp.web_protocol import RequestPayloadError

from collector.errors import OverloadedError, RequestError
from collector.web.answers import answer, broken_off, refused, unexpected
from collector.web.auth import Authenticator
from collector.web.body import BodyReader
from collector.web.front import FrontPage
from collector.web.handshakes import ListeningSockets
from collector.web.health import Health
from collector.web.ingest import Decoder, Ingest, no_trace
from collector.web.limits import RETRY_SECONDS, Inflight
from collector.web.places import ConnectionPlaces
from collector.web.protocol import Connection, Listener, exceeds_head_limits
from collector.web.threads import WebThreads
from collector.web.tls import Certificate
from duckwatch.base.heads import LARGE_HEADERS
from duckwatch.base.resources import RESOURCES, Shortages, shortage_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from concurrent.futures import ThreadPoolExecutor

    from aiohttp import web
    from prometheus_client import Counter

    from collector.config import CollectorSettings
    from collector.events.model.event import Submission
    from collector.metrics import Metrics
    from collector.telemetry.tracing import Tracing
    from collector.web.answers import Answer
    from duckwatch.base.config.addresses import Endpoint, Endpoints

    Handler = Callable[[web.BaseRequest], Awaitable[Answer]]

OTHER_ROUTE: Final = "other"
"""The label `route` of every unknown path: the number of paths is unbounded."""

BACKLOG: Final = 1024
IDLE_SECONDS: Final = 75.0
"""Longer than two of the plugin's heartbeats of 30 s. It also limits the time for the head of a request."""

WRITE_SECONDS: Final = 30.0
HANDSHAKE_SECONDS: Final = 10.0

LOOK_SECONDS: Final = 1.0
"""How often the server checks its spare descriptors."""

_log = logging.getLogger(__name__)


class HttpServer:
    """The server. `start` listens; `stop` finishes the complete requests and refuses the others."""

    def __init__(
        self,
        routes: Mapping[str, Mapping[str, Handler]],
        *,
        bodies: BodyReader,
        authenticator: Authenticator,
        certificate: Certificate | None,
        executor: ThreadPoolExecutor,
        metrics: Metrics,
        max_connections: int,
        idle_seconds: float = IDLE_SECONDS,
        write_seconds: float = WRITE_SECONDS,
        handshake_seconds: float = HANDSHAKE_SECONDS,
    ) -> None:
        self._routes = routes
        self._bodies = bodies
        self._authenticator = authenticator
        self._certificate = certificate
        self._executor = executor
        self._metrics = metrics
        self._max_connections = max_connections
        self._idle_seconds = idle_seconds
        self._write_seconds = write_seconds
        self._handshake_seconds = handshake_seconds
        self._counters: dict[tuple[str, int], Counter] = {}
        self._listener: Listener | None = None
        self._socket: ListeningSockets | None = None
        self._places: ConnectionPlaces | None = None
        self._looking: asyncio.TimerHandle | None = None
        for resource in RESOURCES:
            metrics.resource_shortages.labels(resource)  # at 0, so that the first shortage is an increase
        self.shortages = Shortages(
            lambda word: metrics.resource_shortages.labels(word).inc(),
            lambda: self._places.make_room() if self._places is not None else None,
        )

    async def start(self, listen: Endpoint | Endpoints) -> list[int]:
        """Listen, and return the bound ports. Raise OSError when an address cannot be bound."""
        closed = self._metrics.http_connections_closed
        self._places = places = ConnectionPlaces(self._max_connections, lambda why: closed.labels(why).inc())
        self._metrics.http_connections.set_function(lambda: len(places))
        self._metrics.http_connections_limit.set(self._max_connections)
        self._listener = Listener(
            self._answer,
            places=places,
            idle_seconds=self._idle_seconds,
            write_seconds=self._write_seconds,
        )
        sockets = ListeningSockets(
            self._listener,
            None if self._certificate is None else self._certificate.context,
            handshake_seconds=self._handshake_seconds,
            on_shortage=self._out_of,
        )
        bound = sockets.open(listen, backlog=BACKLOG)
        self._socket = sockets
        self._look()
        return bound

    def _out_of(self, word: str) -> None:
        """Count a connection that could not be accepted, and make room."""
        if word == "descriptors":
            self.shortages.give_up()
        else:
            self.shortages.met(word)

    def _look(self) -> None:
        self.shortages.look()
        if self.shortages.trouble is None and self._places is not None:
            self._places.restore()
        self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def renew(self, settings: CollectorSettings) -> None:
        """Take the credentials and the certificate from these settings, and nothing else.
        Raise OSError for a bad certificate.
        """
        files = settings.tls.files
        if files is not None and self._certificate is not None:
            self._certificate.load(*files)
        self._authenticator.renew(settings.auth)

    async def stop(self, timeout_seconds: float) -> None:
        """Stop accepting, wait up to `timeout_seconds` for the complete requests, and close every connection."""
        if self._looking is not None:
            self._looking.cancel()
        if self._socket is not None and self._listener is not None:
            self._socket.close()
            self._bodies.stop()
            # Requests that have just arrived get their turn before idle connections are closed (aiohttp does the same).
            await asyncio.sleep(0)
            self._listener.pre_shutdown()
            # aiohttp waits this time twice for a request that hangs.
            await self._listener.shutdown(timeout_seconds / 2)
        self.shortages.close()
        self._executor.shutdown(wait=False)

    async def _answer(self, request: web.BaseRequest) -> Answer:
        path = request.raw_path
        methods = self._routes.get(path)
        if methods is None:
            # A query string, or the absolute form of a target (RFC 9112, 3.2.2). An empty path is `/`.
            path = request.rel_url.raw_path or "/"
            methods = self._routes.get(path)
        response: Answer
        if exceeds_head_limits(request):
            response = answer(LARGE_HEADERS.status, {"error": LARGE_HEADERS.text})
        elif methods is None:
            path, response = OTHER_ROUTE, answer(404, {"error": "no such route"})
        elif (handler := methods.get(request.method)) is None:
            response = answer(405, {"error": "no such method here"}, {"Allow": ", ".join(methods)})
        else:
            response = await self._guarded(handler, request)
        self._count(path, response.status)
        if isinstance(connection := request.protocol, Connection):
            connection.answered(response.status)
        return response

    async def _guarded(self, handler: Handler, request: web.BaseRequest) -> Answer:
        try:
            return await handler(request)
        except RequestError as error:
            return refused(error)
        except (ConnectionError, RequestPayloadError):
            # The client has disconnected, or its chunks or its length are wrong. Nothing was submitted.
            return broken_off()
        except Exception as error:  # noqa: BLE001 - the last border before the client
            if (word := shortage_of(error)) is not None:
                self.shortages.met(word)
                return refused(OverloadedError("the machine has too few resources", retry_after=RETRY_SECONDS))
            _log.exception("an HTTP request failed because of an error in the collector")
            return unexpected()

    def _count(self, route: str, status: int) -> None:
        key = (route, status)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._metrics.http_requests.labels(route, str(status))
        counter.inc()


def build_server(
    settings: CollectorSettings,
    *,
    decoders: Mapping[str, Decoder],
    submit: Callable[[Submission], Awaitable[None]],
    checks: Callable[[], Mapping[str, str | None]],
    details: Callable[[], Mapping[str, str | None]] = dict,
    sqlstates: Callable[[], Mapping[str, str | None]] = dict,
    metrics: Metrics,
    clock_ms: Callable[[], int],
    tracing: Tracing | None = None,
    max_connections: int | None = None,
) -> HttpServer:
    """Build the server from the modules of `web`. Raise OSError for a bad certificate.

    `decoders` has one decoder for each ingest route. `Decoder` and `Ingest` describe the decoders and `submit`;
    `Health` describes `checks`, `details` and `sqlstates`. `tracing` is None while it is off.
    `max_connections` is the number that the limit of open files allows; None means the number in the settings.
    """
    limits = settings.limits
    authenticator = Authenticator(settings.auth, limits.events_per_second, time.monotonic, time.time)
    bodies = BodyReader(limits.body_bytes, limits.read_timeout.total_seconds())
    # One thread for large bodies and one for scrapes: more would only share the interpreter's lock.
    executor = WebThreads(2)
    ingest = partial(
        Ingest,
        authenticator=authenticator,
        bodies=bodies,
        inflight=Inflight(limits.inflight_bytes),
        # A client without credentials can make the collector hold a body by sending signature headers. Such bodies
        # get at most half of the bytes in flight.
        unproven=Inflight(max(limits.body_bytes, limits.inflight_bytes // 2)),
        submit=submit if tracing is None else tracing.submit(submit),
        clock_ms=clock_ms,
        executor=executor,
        metrics=metrics,
        exemplar=no_trace if tracing is None else tracing.exemplar,
    )
    health = Health(
        metrics.registry,
        checks,
        lambda: {**details(), "web": executor.waits.trouble},
        executor,
        scraped=metrics.last_scrape_timestamp.set_to_current_time,
        sqlstates=sqlstates,
    )
    return HttpServer(
        _pages(health) | _ingest_routes(decoders, ingest, tracing),
        bodies=bodies,
        authenticator=authenticator,
        certificate=None if settings.tls.files is None else Certificate(*settings.tls.files),
        executor=executor,
        metrics=metrics,
        max_connections=limits.connections if max_connections is None else max_connections,
    )


def _pages(health: Health) -> dict[str, dict[str, Handler]]:
    """Return the routes that clients read, by path and method."""
    front = FrontPage(health, version("duckwatch"))
    handlers = {"/": front.show, "/healthz": health.alive, "/readyz": health.ready, "/metrics": health.metrics}
    return {path: {"GET": handle, "HEAD": handle} for path, handle in handlers.items()}


def _ingest_routes(
    decoders: Mapping[str, Decoder], ingest: Callable[..., Ingest], tracing: Tracing | None
) -> dict[str, dict[str, Handler]]:
    """Return the ingest routes, by path and method."""
    routes: dict[str, dict[str, Handler]] = {}
    for path, decode in decoders.items():
        handle = ingest(decode=decode).handle
        routes[path] = {"POST": handle if tracing is None else tracing.handler(path, handle)}
    return routes
