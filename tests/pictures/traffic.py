"""Records the requests of a Grafana page, their answers, and the errors in the browser's console."""

from __future__ import annotations

import contextlib
import json
import urllib.parse
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers.chromium import Json, Tab

MULTI_STATUS = 207
"""Grafana's answer when some of a panel's queries failed."""

LONGEST = 300


class Request(NamedTuple):
    """A request of the page: its path, and the id of the panel that sent it (empty: the page itself)."""

    path: str
    panel: str


class Traffic:
    """Records the traffic of a tab. `panels` maps ids of panels to their titles."""

    def __init__(self, tab: Tab, panels: Mapping[str, str]) -> None:
        self._tab, self._panels = tab, panels
        self._requests: dict[str, Request] = {}
        self._bad: dict[str, int] = {}
        self._ends = 0
        self.pending: set[str] = set()
        self.console: list[str] = []
        tab.on("Network.requestWillBeSent", self._sent)
        tab.on("Network.responseReceived", self._answered)
        for event in ("Network.loadingFinished", "Network.loadingFailed"):
            tab.on(event, self._ended)
        tab.on("Runtime.consoleAPICalled", self._logged)
        tab.on("Runtime.exceptionThrown", self._thrown)

    @property
    def panels_that_asked(self) -> set[str]:
        """The ids of the panels that have sent a request."""
        return {request.panel for request in self._requests.values()}

    @property
    def progress(self) -> tuple[int, int]:
        """How many requests the page has sent, and how many of them have ended."""
        return len(self._requests), self._ends

    async def failures(self) -> list[str]:
        """Return a line for each request that was answered with an error."""
        return [await self._failure(number, status) for number, status in self._bad.items()]

    async def _failure(self, number: str, status: int) -> str:
        request = self._requests[number]
        panel = f"{request.panel} {self._panels.get(request.panel, '')}".strip()
        text = ""
        with contextlib.suppress(RuntimeError):  # the browser does not keep the bodies of some answers
            text = _reason((await self._tab.send("Network.getResponseBody", requestId=number))["body"])
        return f"{panel or 'page'}: {status} {request.path}: {text[:LONGEST]}"

    def _sent(self, content: Json) -> None:
        url = urllib.parse.urlsplit(content["request"]["url"])
        if url.scheme not in ("http", "https"):
            return
        headers = {name.lower(): value for name, value in content["request"]["headers"].items()}
        self._requests[content["requestId"]] = Request(url.path, headers.get("x-panel-id", ""))
        self.pending.add(content["requestId"])

    def _ended(self, content: Json) -> None:
        if content["requestId"] in self.pending:
            self.pending.remove(content["requestId"])
            self._ends += 1

    def _answered(self, content: Json) -> None:
        status = content["response"]["status"]
        if content["requestId"] in self._requests and (status >= 400 or status == MULTI_STATUS):
            self._bad[content["requestId"]] = status

    def _logged(self, content: Json) -> None:
        if content["type"] == "error":
            words = (str(word.get("value", word.get("description", ""))) for word in content["args"])
            self.console.append(" ".join(words)[:LONGEST])

    def _thrown(self, content: Json) -> None:
        details = content["exceptionDetails"]
        self.console.append(str(details.get("exception", {}).get("description", details["text"]))[:LONGEST])


def _reason(body: str) -> str:
    """Return the errors in an answer of Grafana's query API, or the body if there are none."""
    with contextlib.suppress(ValueError, AttributeError):
        results = json.loads(body).get("results", {})
        if errors := [result["error"] for result in results.values() if "error" in result]:
            return "; ".join(errors)
    return body
