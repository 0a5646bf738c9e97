"""POST /api/events/ingest: acknowledgements and refusals."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from collector.errors import OverloadedError
from tests.unit.web.conftest import BEARER, event, events, until
from tests.unit.web.wire import Reply, ask, connect, head, post

if TYPE_CHECKING:
    from tests.unit.web.conftest import ServerStarter


async def test_one_good_event_is_acknowledged_once_it_was_submitted(serve: ServerStarter) -> None:
    """202, with JSON and a date, comes after the journal has the event."""
    async with serve() as served:
        served.gate.clear()
        async with connect(served.port) as line:
            await line.send(post(events(), BEARER))
            await until(lambda: served.waiting == 1)
            assert not served.submitted
            served.gate.set()
            reply = await line.receive()
    assert reply.status == 202
    assert reply.json == {"accepted": 1, "rejected": []}
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["date"].endswith("GMT")
    assert [entry.fields["id"] for entry in served.submitted[0].entries] == ["1"]


@pytest.mark.parametrize("count", [1, 2, 9, 10, 100, 1000])
async def test_the_answer_counts_the_events(serve: ServerStarter, count: int) -> None:
    """The answer counts the events, with the right length for any number of digits."""
    async with serve() as served, connect(served.port) as line:
        for _ in range(2):
            reply = await line.ask(post(events(count), BEARER))
            assert reply.json == {"accepted": count, "rejected": []}
    assert served.count("duckwatch_ingest_events_total", source="plugin") == 2 * count
    assert served.count("duckwatch_http_requests_total", route="/api/events/ingest", code="202") == 2
    assert served.count("duckwatch_ingest_seconds_count") == 2


async def test_a_bad_event_is_named_and_the_good_ones_beside_it_are_taken(serve: ServerStarter) -> None:
    """A bad event is named in the answer and journalled as a rejection; the good ones are accepted."""
    body = json.dumps([event(id="1"), 5, event(id="2"), {"time": 1, "entry": {}}]).encode()
    async with serve() as served:
        reply = await ask(served.port, post(body, BEARER))
    assert reply.status == 202
    assert reply.json["accepted"] == 2
    assert [one["index"] for one in reply.json["rejected"]] == [1, 3]
    assert [one.index for one in served.submitted[0].rejections] == [1, 3]
    assert served.count("duckwatch_ingest_rejected_total", source="plugin", reason="not_an_event") == 1
    assert served.count("duckwatch_ingest_rejected_total", source="plugin", reason="no_action") == 1


async def test_many_rejections_are_cut_in_the_answer_and_counted(serve: ServerStarter) -> None:
    """The answer names at most a thousand rejections, and their number."""
    async with serve() as served:
        reply = await ask(served.port, post(json.dumps([event(), *[0] * 1500]).encode(), BEARER))
    assert reply.json["accepted"] == 1
    assert len(reply.json["rejected"]) == 1000
    assert reply.json["rejected_total"] == 1500
    assert len(served.submitted[0].rejections) == 1500


async def test_a_heartbeat_is_submitted_for_its_report(serve: ServerStarter) -> None:
    """A heartbeat without events is submitted."""
    beat = {"host": "mta1", "plugin": {"version": "1", "process": "p", "spool_bytes": 0, "dropped": 0}, "events": []}
    async with serve() as served:
        reply = await ask(served.port, post(json.dumps(beat).encode(), BEARER))
    assert reply.json == {"accepted": 0, "rejected": []}
    assert served.submitted[0].heartbeat is not None


async def test_what_holds_nothing_is_not_submitted(serve: ServerStarter) -> None:
    """A request with nothing to store, like QUEUE_POLL, is acknowledged and not submitted."""
    async with serve() as served:
        reply = await ask(served.port, post(json.dumps([event(action="QUEUE_POLL")]).encode(), BEARER))
    assert reply.json == {"accepted": 0, "rejected": []}
    assert not served.submitted


@pytest.mark.parametrize(
    ("extra", "shown"),
    [(("Connection: close",), "close"), ((), None)],
)
async def test_a_client_that_wants_the_connection_closed_is_told_so(
    serve: ServerStarter, extra: tuple[str, ...], shown: str | None
) -> None:
    """A client that asks to close the connection gets `Connection: close`."""
    async with serve() as served, connect(served.port) as line:
        reply = await line.ask(post(events(), BEARER, *extra))
        assert reply.headers.get("connection") == shown
        if shown:
            assert await line.is_closed()
        else:
            assert (await line.ask(post(events(), BEARER))).status == 202


async def test_http_1_0_gets_an_answer_that_it_understands(serve: ServerStarter) -> None:
    """HTTP/1.0 gets a valid answer and a closed connection."""
    async with serve() as served, connect(served.port) as line:
        reply = await line.ask(post(events(), BEARER).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        assert reply.status == 202
        assert await line.is_closed()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'"x"', b"null", b"\xff\xfe", b"[" * 100_000])
async def test_a_body_without_an_event_is_400_and_not_quoted(serve: ServerStarter, body: bytes) -> None:
    """A body without an event is 400 and not quoted."""
    async with serve() as served:
        reply = await ask(served.port, post(body, BEARER))
    assert reply.status == 400
    assert set(reply.json) == {"error"}
    assert not served.submitted


async def test_a_full_journal_is_503_with_a_time_to_come_back(serve: ServerStarter) -> None:
    """A full journal is 503 with Retry-After, and the connection stays open."""
    async with serve(limits={"events_per_second": 10}) as served, connect(served.port) as line:
        served.failure = OverloadedError("the journal is full", retry_after=7)
        for _ in range(3):
            reply = await line.ask(post(events(100), BEARER))
            # If refused events counted against the rate, the second answer would be 429.
            assert reply.status == 503
            assert reply.headers["retry-after"] == "7"
        served.failure = None
        assert (await line.ask(post(events(100), BEARER))).status == 202
    assert served.count("duckwatch_ingest_events_total", source="plugin") == 100


async def test_a_fault_of_the_collector_is_500_without_a_word_of_it(
    serve: ServerStarter, caplog: pytest.LogCaptureFixture
) -> None:
    """An internal error is 500 without details, which are in the log."""
    async with serve() as served:
        served.failure = RuntimeError("CANARY")
        reply = await ask(served.port, post(events(), BEARER))
    assert reply.status == 500
    assert reply.json == {"error": "internal error"}
    assert [record.message for record in caplog.records] == [
        "an HTTP request failed because of an error in the collector"
    ]


async def test_more_events_than_the_rate_are_429_until_the_debt_is_paid(serve: ServerStarter) -> None:
    """Events over the rate are 429 until the debt is paid; one large batch passes."""
    async with serve(limits={"events_per_second": 100}) as served, connect(served.port) as line:
        assert (await line.ask(post(events(1000), BEARER))).status == 202
        reply = await line.ask(post(events(1), BEARER))
        assert reply.status == 429
        assert 1 <= int(reply.headers["retry-after"]) <= 9
    assert len(served.submitted) == 1


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    serve: ServerStarter, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that leaves in the middle leaves no traceback, no submission and no bytes in flight."""
    async with serve(limits={"body_bytes": "1MiB", "inflight_bytes": "1MiB"}) as served:
        for _ in range(3):
            async with connect(served.port) as line:
                await line.send(head("POST /api/events/ingest", BEARER, "Content-Length: 1000000") + b"[")
        body = json.dumps([event(x="y" * 900_000)]).encode()
        replies: list[Reply] = []
        while not replies or replies[-1].status == 503:
            replies.append(await ask(served.port, post(body, BEARER)))
        assert replies[-1].status == 202
        assert len(served.submitted) == 1
    assert not caplog.records


async def test_a_client_that_leaves_before_the_answer_is_no_fault(
    serve: ServerStarter, caplog: pytest.LogCaptureFixture
) -> None:
    """A complete request is accepted though the client leaves before the answer."""
    async with serve() as served:
        served.gate.clear()
        async with connect(served.port) as line:
            await line.send(post(events(), BEARER))
            await until(lambda: served.waiting == 1)
        served.gate.set()
        await until(lambda: len(served.submitted) == 1)
    assert not caplog.records


async def test_requests_sent_ahead_are_answered_in_order(serve: ServerStarter) -> None:
    """Pipelined requests (RFC 9112, 9.3.2) are answered in order."""
    async with serve() as served, connect(served.port) as line:
        await line.send(b"".join(post(events(count), BEARER) for count in (1, 2, 3)))
        assert [(await line.receive()).json["accepted"] for _ in range(3)] == [1, 2, 3]


async def test_large_bodies_are_taken_like_small_ones(serve: ServerStarter) -> None:
    """Large bodies, which a thread decodes, are accepted, plain and compressed."""
    body = events(5000, x="y" * 50)
    async with serve() as served:
        assert (await ask(served.port, post(body, BEARER))).json["accepted"] == 5000
        packed = post(gzip.compress(body), BEARER, "Content-Encoding: gzip")
        assert (await ask(served.port, packed)).json["accepted"] == 5000


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /api/events/ingest", 405),
        ("PUT /api/events/ingest", 405),
        ("POST /metrics", 405),
        ("POST /api/events/ingest/", 404),
        ("POST /api/events/INGEST", 404),
        ("GET //", 404),
        ("GET /%00%ff/../etc/passwd?x=1", 404),
        ("OPTIONS *", 404),
    ],
)
async def test_other_routes_and_methods_are_refused_in_json(
    serve: ServerStarter, request_line: str, status: int
) -> None:
    """Other routes and methods are refused in JSON, and no path becomes a label of /metrics."""
    async with serve() as served:
        reply = await ask(served.port, head(request_line, BEARER))
    assert reply.status == status
    assert set(reply.json) == {"error"}
    assert ("allow" in reply.headers) == (status == 405)
    routes = {
        sample.labels["route"]
        for metric in served.metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "duckwatch_http_requests_total"
    }
    assert routes <= {"/api/events/ingest", "/metrics", "other"}


async def test_a_query_is_not_part_of_the_route(serve: ServerStarter) -> None:
    """A query changes neither route nor credentials."""
    async with serve() as served:
        assert (await ask(served.port, post(events(), BEARER, path="/api/events/ingest?token=x"))).status == 202
