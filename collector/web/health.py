"""The state of the collector: the routes `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from collector.web.answers import answer, respond
from duckwatch.base.heads import prefers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from prometheus_client import CollectorRegistry

OPENMETRICS: Final = "application/openmetrics-text"

SCRAPE_HEADER: Final = "X-Prometheus-Scrape-Timeout-Seconds"
"""A header that only Prometheus and its substitutes (agents, VictoriaMetrics, OpenTelemetry's receiver) send."""


class CollectorState(NamedTuple):
    """The state of the collector, by part.

    `is_ready` is True while events can be accepted. `well` is the state of each part that decides it.
    `troubles` names the trouble of each part that has one; `sqlstates` is the database's code for it.
    """

    is_ready: bool
    well: Mapping[str, bool]
    troubles: Mapping[str, str]
    sqlstates: Mapping[str, str] = {}


class Health:
    """The handlers of the routes. They need no credentials, because they show no content.

    `checks` returns the trouble of each part: a word of a closed set, or None. The collector is ready while one of
    these parts is well. `details` returns the same for parts that do not decide whether it is ready.
    `sqlstates` returns the database's code for each part's trouble, or None.
    `scraped` is called when a Prometheus reads the metrics.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        checks: Callable[[], Mapping[str, str | None]],
        details: Callable[[], Mapping[str, str | None]],
        executor: Executor,
        *,
        scraped: Callable[[], object],
        sqlstates: Callable[[], Mapping[str, str | None]] = dict,
    ) -> None:
        self._registry, self._sqlstates = registry, sqlstates
        self._checks, self._details = checks, details
        self._executor = executor
        self._scraped = scraped

    async def alive(self, request: web.BaseRequest) -> web.Response:
        """Return 200: the event loop runs."""
        del request
        return answer(200, {"status": "ok"})

    async def ready(self, request: web.BaseRequest) -> web.Response:
        """Return 200 if events can be accepted, else 503, with the state of each part and the troubles."""
        del request
        state = self.state()
        named = {"sqlstate": state.sqlstates} if state.sqlstates else {}
        return answer(
            200 if state.is_ready else 503, {"ready": state.is_ready, **state.well, "trouble": state.troubles, **named}
        )

    def state(self) -> CollectorState:
        """Return the state now."""
        checks, details = self._checks(), self._details()
        well = {part: trouble is None for part, trouble in checks.items()}
        troubles = {part: trouble for part, trouble in {**checks, **details}.items() if trouble is not None}
        codes = {part: code for part, code in self._sqlstates().items() if code is not None and part in troubles}
        return CollectorState(any(well.values()), well, troubles, codes)

    async def metrics(self, request: web.BaseRequest) -> web.Response:
        """Return the metrics as OpenMetrics (with exemplars) or Prometheus text, as `Accept` asks.
        A thread renders them.
        """
        if SCRAPE_HEADER in request.headers:
            self._scraped()
        encode, content_type = _encoder(request.headers.get(hdrs.ACCEPT, ""))
        body = await asyncio.get_running_loop().run_in_executor(self._executor, encode, self._registry)
        return respond(200, body, {"Content-Type": content_type})


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """Return the encoder and the content type: OpenMetrics 1.0.0 if `Accept` prefers it, else Prometheus text.

    prometheus_client does not get the header itself: it fails on odd versions, and repeats them in the content type.
    """
    return choose_encoder(f"{OPENMETRICS}; version=1.0.0" if prefers(accept, OPENMETRICS) else "")
