"""The routes that show the collector's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from tests.unit.web.conftest import BEARER, events
from tests.unit.web.wire import ask, connect, head, post

if TYPE_CHECKING:
    from tests.unit.web.conftest import ServerStarter


async def test_it_is_alive_without_credentials(serve: ServerStarter) -> None:
    """/healthz answers without credentials, even when nothing else works."""
    async with serve() as served:
        served.checks = {"store": "connection", "journal": "full"}
        reply = await ask(served.port, head("GET /healthz"))
    assert (reply.status, reply.json) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("store", "journal", "status"),
    [(None, None, 200), ("disk_full", None, 200), (None, "full", 200), ("read_only", "failing", 503)],
)
async def test_it_is_ready_while_events_have_a_place_to_go(
    serve: ServerStarter, store: str | None, journal: str | None, status: int
) -> None:
    """/readyz is ready while the store is reachable or the journal has room, and names the other's trouble."""
    async with serve() as served:
        served.checks = {"store": store, "journal": journal}
        reply = await ask(served.port, head("GET /readyz"))
    assert reply.status == status
    troubles = {part: word for part, word in (("store", store), ("journal", journal)) if word}
    well = {"store": store is None, "journal": journal is None}
    assert reply.json == {"ready": status == 200, **well, "trouble": troubles}


async def test_metrics_are_prometheus_text_or_openmetrics_as_asked(serve: ServerStarter) -> None:
    """/metrics is Prometheus text or OpenMetrics, as the request asks, and parsers read both."""
    async with serve() as served:
        await ask(served.port, post(events(3), BEARER))
        text = await ask(served.port, head("GET /metrics"))
        accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        openmetrics = await ask(served.port, head("GET /metrics", accept))
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    for families in (read_text(text.body.decode()), read_openmetrics(openmetrics.body.decode())):  # type: ignore[no-untyped-call]  # prometheus_client leaves it bare
        values = {(s.name, s.labels.get("source")): s.value for family in families for s in family.samples}
        assert values["duckwatch_ingest_events_total", "plugin"] == 3


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=x",
        "application/openmetrics-text;version=",
        "application/openmetrics-text;version=1.0.0;escaping=\xff\xfe",
        "application/openmetrics-text;version=99999999999999999999.1",
        "text/plain;version=1.0.0;escaping=<script>",
        "text/plain;version=-1",
        ";;;,,,==",
        "\xe9",
    ],
)
async def test_any_accept_gets_a_page(serve: ServerStarter, accept: str) -> None:
    """Any Accept header gets a page."""
    async with serve() as served:
        reply = await ask(served.port, head("GET /metrics", f"Accept: {accept}"))
    assert reply.status == 200
    assert b"duckwatch_" in reply.body


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_head_answers_without_a_body(serve: ServerStarter, path: str) -> None:
    """HEAD answers without a body, as some load balancers need."""
    async with serve() as served, connect(served.port) as line:
        await line.send(head(f"HEAD {path}"))
        reply = await line.receive(has_body=False)
        assert reply.status == 200
        # A body would be read as the next answer.
        assert (await line.ask(head("GET /healthz"))).json == {"status": "ok"}


async def test_a_scrape_of_a_prometheus_is_remembered(serve: ServerStarter) -> None:
    """A scrape by Prometheus is recognised by its header; other requests are not."""
    async with serve() as served:
        await ask(served.port, head("GET /metrics"))
        before = served.count("duckwatch_last_scrape_timestamp_seconds")
        page = await ask(served.port, head("GET /metrics", "X-Prometheus-Scrape-Timeout-Seconds: 10"))
        after = served.count("duckwatch_last_scrape_timestamp_seconds")
    assert (before, page.status) == (0, 200)
    assert after > 1e9
