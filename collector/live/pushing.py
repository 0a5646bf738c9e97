"""Pushes a body to Grafana Live, once, with a time limit for the whole request."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable

PUSH_SECONDS: Final = 5.0
"""A Grafana that takes longer is away: the next push holds the same rows, and newer ones."""

HEADERS: Final = {"Content-Type": "text/plain; charset=utf-8"}


class PushResult(StrEnum):
    """What became of a window: the label `result` of `duckwatch_live_pushes_total`."""

    PUSHED = "pushed"
    UNAUTHORIZED = "unauthorized"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    DROPPED = "dropped"


class Pusher:
    """Pushes to one stream, from one thread, over one connection that is kept. `token` is asked for each push."""

    def __init__(self, url: str, stream: str, token: Callable[[], str], *, seconds: float = PUSH_SECONDS) -> None:
        parts = urlsplit(url)
        self._url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/api/live/push/{stream}"
        self._token, self._seconds = token, seconds
        self._runner = asyncio.Runner()
        self._session: aiohttp.ClientSession | None = None

    def push(self, body: str) -> PushResult:
        """Push, and return what became of it. Raise nothing for a Grafana that is slow, away or refuses."""
        return self._runner.run(self._push(body.encode(errors="replace")))

    def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            self._runner.run(self._session.close())
        self._runner.close()

    async def _push(self, body: bytes) -> PushResult:
        if self._session is None:
            # A redirect would take the token elsewhere, and cookies would make a session of it.
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers=HEADERS)
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except TimeoutError:
            return PushResult.TIMEOUT
        except (aiohttp.ClientError, OSError):
            return PushResult.UNREACHABLE
        return push_result_of(status)


def push_result_of(status: int) -> PushResult:
    """Return the result of an answer of Grafana."""
    if status == 200:
        return PushResult.PUSHED
    return PushResult.UNAUTHORIZED if status in (401, 403) else PushResult.REFUSED
