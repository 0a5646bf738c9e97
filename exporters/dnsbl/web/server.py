"""The HTTP server. A scrape shows the known verdicts and sends no query."""

from __future__ import annotations

import socket
import zlib
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from duckwatch.base.heads import weight_of
from duckwatch.base.listening import open_sockets
from exporters.dnsbl.web.connections import Listener
from exporters.dnsbl.web.page import page
from exporters.dnsbl.web.probe import TIMEOUT_HEADER, Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from duckwatch.base.config.addresses import Endpoint, Endpoints
    from exporters.dnsbl.checking.current_verdicts import CurrentVerdicts
    from exporters.dnsbl.metrics import Metrics, PairLines
    from exporters.dnsbl.schedule import Pair
    from exporters.dnsbl.web.notices import Notice
    from exporters.dnsbl.web.probe import Prober

STOP_SECONDS: Final = 2.0
BACKLOG: Final = 1024
ACCEPTED_A_TURN: Final = 32
"""Connections accepted in one turn of the loop. Those over the limit hold a descriptor until the next turn."""

METHODS: Final = ("GET", "HEAD")
_GZIP_WINDOW: Final = 31  # zlib's number for a gzip header
_GZIP_LEVEL: Final = 1
"""Takes a tenth of the default level's time, for a sixth more bytes (docs/benchmarks.md)."""

_SAFE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class WebServer:
    """The server. `connections` returns the most connections at a time."""

    def __init__(
        self,
        metrics: Metrics,
        lines: PairLines,
        current: CurrentVerdicts,
        prober: Prober,
        pairs: Callable[[], Iterator[Pair]],
        connections: Callable[[], int],
        notices: Callable[[], list[Notice]],
    ) -> None:
        self._metrics, self._lines, self._board, self._prober, self._pairs = metrics, lines, current, prober, pairs
        self._connections, self._notices = connections, notices
        self._routes: Mapping[str, Callable[[web.BaseRequest], Awaitable[web.Response]]] = {
            "/": self._people,
            "/metrics": self._scrape,
            "/probe": self._probe,
            "/healthz": self._alive,
        }
        self._runner: web.ServerRunner | None = None
        self._listener: Listener | None = None

    async def start(self, listen: Endpoint | Endpoints) -> list[int]:
        """Listen, and return the bound ports. Raise OSError when an address cannot be bound."""
        self._listener = listener = Listener(self._answer, most=self._connections)
        self._runner = web.ServerRunner(listener, shutdown_timeout=STOP_SECONDS)
        await self._runner.setup()
        for one in open_sockets(listen, socket.SOCK_STREAM):
            await web.SockSite(self._runner, one, backlog=ACCEPTED_A_TURN).start()
            # asyncio uses one number for the backlog and for the connections accepted in a turn. The backlog has to be
            # long:
            # a client whose connection finds no room in it tries again only after a second.
            one.listen(BACKLOG)
        return [address[1] for address in self._runner.addresses]

    def make_room(self) -> None:
        """Close some of the connections, because file descriptors are short."""
        if self._listener is not None:
            self._listener.make_room()

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        # aiohttp sets `path` for an absolute-form request target too (RFC 9112, 3.2.2).
        handler = self._routes.get(request.path)
        if handler is None:
            raise web.HTTPNotFound
        if request.method not in METHODS:
            raise web.HTTPMethodNotAllowed(request.method, METHODS)
        return await handler(request)

    async def _alive(self, request: web.BaseRequest) -> web.Response:
        del request
        return web.json_response({"status": "ok"})

    async def _scrape(self, request: web.BaseRequest) -> web.Response:
        body, content_type = self._lines.render(self._metrics.registry, request.headers.get(hdrs.ACCEPT, ""))
        headers = {hdrs.CONTENT_TYPE: content_type, hdrs.VARY: "Accept, Accept-Encoding"}
        if weight_of(request.headers.get(hdrs.ACCEPT_ENCODING, ""), "gzip", "x-gzip", "*") > 0:
            packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
            body = packer.compress(body) + packer.flush()
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=body, headers=headers)

    async def _people(self, request: web.BaseRequest) -> web.Response:
        del request
        return web.Response(
            text=page(self._board, self._pairs(), self._notices()), content_type="text/html", headers=_SAFE
        )

    async def _probe(self, request: web.BaseRequest) -> web.Response:
        query = {key: request.query.getall(key) for key in request.query}
        try:
            body = await self._prober.answer(query, request.headers.get(TIMEOUT_HEADER))
        except Refusal as refusal:
            return web.Response(status=refusal.status, text=f"{refusal}\n", headers=_SAFE)
        return web.Response(body=body, content_type="text/plain", charset="utf-8", headers=_SAFE)
