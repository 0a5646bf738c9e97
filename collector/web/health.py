"""What tells others how the collector is: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest

from collector.web.answers import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from prometheus_client import CollectorRegistry


class Health:
    """Handlers that need no credentials: they tell no content.

    `checks` says of each part whether it works (store reachable, journal has room): ready while one of them does.
    """

    def __init__(
        self, registry: CollectorRegistry, checks: Callable[[], Mapping[str, bool]], executor: Executor
    ) -> None:
        self._registry = registry
        self._checks = checks
        self._executor = executor

    async def alive(self, request: web.BaseRequest) -> web.Response:
        """200 while the event loop turns."""
        del request
        return answer(200, {"status": "ok"})

    async def ready(self, request: web.BaseRequest) -> web.Response:
        """200 when events can be taken, else 503, with each check's result."""
        del request
        checks = self._checks()
        is_ready = any(checks.values())
        return answer(200 if is_ready else 503, {"ready": is_ready, **checks})

    async def metrics(self, request: web.BaseRequest) -> web.Response:
        """The registry as OpenMetrics (with exemplars) or Prometheus text, as Accept says. Rendered off the loop."""
        encode, content_type = _encoder(request.headers.get(hdrs.ACCEPT, ""))
        body = await asyncio.get_running_loop().run_in_executor(self._executor, encode, self._registry)
        return web.Response(body=body, headers={"Content-Type": content_type})


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    try:
        encode, content_type = choose_encoder(accept)
    except ValueError:
        # A version that is no number.
        return generate_latest, CONTENT_TYPE_PLAIN_0_0_4
    # The client's words come back in the content type.
    return encode, content_type if content_type.isprintable() and content_type.isascii() else CONTENT_TYPE_PLAIN_0_0_4
