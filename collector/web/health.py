"""What tells others how the collector is: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from collector.web.answers import answer, respond

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from prometheus_client import CollectorRegistry

OPENMETRICS: Final = "application/openmetrics-text"

SCRAPE_HEADER: Final = "X-Prometheus-Scrape-Timeout-Seconds"
"""What Prometheus and those that stand in for it (agents, VictoriaMetrics, OpenTelemetry's receiver) send,
and nobody else.
"""


class State(NamedTuple):
    """Whether events can be taken; whether each part that decides it is well; what troubles any part, in a word;
    the database's code for it.
    """

    is_ready: bool
    well: Mapping[str, bool]
    troubles: Mapping[str, str]
    sqlstates: Mapping[str, str] = {}


class Health:
    """Handlers that need no credentials: they tell no content.

    `checks` says what troubles each part, in a word of a closed set, None where nothing does:
    ready while one of them is well. `details` says the same of parts that nobody waits for.
    `sqlstates` is the database's code behind each part's trouble, None where it gave none.
    `scraped` is called when a Prometheus asks for the metrics.
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
        """200 while the event loop turns."""
        del request
        return answer(200, {"status": "ok"})

    async def ready(self, request: web.BaseRequest) -> web.Response:
        """200 when events can be taken, else 503; whether each part is well, and what troubles those that are not."""
        del request
        state = self.state()
        named = {"sqlstate": state.sqlstates} if state.sqlstates else {}
        return answer(
            200 if state.is_ready else 503, {"ready": state.is_ready, **state.well, "trouble": state.troubles, **named}
        )

    def state(self) -> State:
        """How the collector is now."""
        checks, details = self._checks(), self._details()
        well = {part: trouble is None for part, trouble in checks.items()}
        troubles = {part: trouble for part, trouble in {**checks, **details}.items() if trouble is not None}
        codes = {part: code for part, code in self._sqlstates().items() if code is not None and part in troubles}
        return State(any(well.values()), well, troubles, codes)

    async def metrics(self, request: web.BaseRequest) -> web.Response:
        """Return the registry as OpenMetrics (with exemplars) or Prometheus text, as Accept says.
        Rendered off the loop.
        """
        if SCRAPE_HEADER in request.headers:
            self._scraped()
        encode, content_type = _encoder(request.headers.get(hdrs.ACCEPT, ""))
        body = await asyncio.get_running_loop().run_in_executor(self._executor, encode, self._registry)
        return respond(200, body, {"Content-Type": content_type})


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """OpenMetrics for whoever names it, in its only released version; text for everybody else.

    prometheus_client is not shown the header itself: it fails on odd versions, and repeats them in the content type.
    """
    media = {one.partition(";")[0].strip().lower() for one in accept.split(",")}
    return choose_encoder(f"{OPENMETRICS}; version=1.0.0" if OPENMETRICS in media else "")
