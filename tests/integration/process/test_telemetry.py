"""Telemetry of a running collector at a real OTLP receiver: traces from request to commit, metrics, and outages."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from psycopg import conninfo

from tests import canaries
from tests.canaries import CANARY
from tests.servers.collector import Collector
from tests.servers.otlp import grpc_receiver, http_receiver, hung_receiver
from tests.servers.process import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tests.servers.otlp import ReceivedExports

    Make = Callable[..., Collector]

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
PERSON = f"{CANARY}@mail.example"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


def on(received: ReceivedExports, protocol: str = "http/protobuf") -> dict[str, str]:
    """Return the environment of a collector that exports there with short delays."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{received.port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "300",
    }


@pytest.fixture
def make(received: ReceivedExports, postgres_dsn: str, tmp_path: Path, server_logs: Path) -> Iterator[Make]:
    """Yield a function that starts a collector with an environment. It ends before the receiver."""
    made: list[Collector] = []

    def start(environment: dict[str, str], dsn: str = postgres_dsn, *, wait: bool = True) -> Collector:
        collector = Collector(tmp_path / f"collector{len(made)}", server_logs, dsn)
        collector.environment = environment
        made.append(collector)
        collector.start(wait=wait)
        return collector

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def received() -> Iterator[ReceivedExports]:
    """Yield a receiver for OTLP/HTTP."""
    with http_receiver() as receiver:
        yield receiver


def post(collector: Collector, queue_id: str, headers: dict[str, str] | None = None, token: str | None = None) -> int:
    """Send one event with canaries. Return the status."""
    entry = {
        "id": queue_id, "seq": "001", "action": "REJECTED", "from": PERSON, "to": PERSON, "subject": CANARY,
        "response": f"550 {CANARY} {PERSON}",
    }  # fmt: skip
    body = json.dumps([{"time": int(time.time() * 1000), "context": "sender", "entry": entry}]).encode()
    authorised = {"Authorization": f"Bearer {token or collector.token}", **(headers or {})}
    request = urllib.request.Request(f"{collector.url}/api/events/ingest", body, authorised, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def only(spans: list[Span]) -> Span:
    """Return the only item."""
    assert len(spans) == 1, [span.name for span in spans]
    return spans[0]


def attributes(span: Span) -> dict[str, Any]:
    """Return a span's attributes."""
    return {
        one.key: getattr(one.value, field)
        for one in span.attributes
        if (field := one.value.WhichOneof("value")) is not None
    }


def log_lines(server_logs: Path, collector: Collector) -> list[str]:
    """Return the collector's log lines."""
    return (server_logs / f"collector-{collector.port}.log").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_one_trace_leads_from_the_request_to_the_commit(make: Make, protocol: str) -> None:
    """One trace leads from the sender's traceparent over request and journal to the commit, without mail data."""
    with http_receiver() if protocol == "http/protobuf" else grpc_receiver() as received:
        collector = make(on(received, protocol))
        headers = {"traceparent": TRACEPARENT, "tracestate": f"vendor={CANARY}", "baggage": f"x={CANARY}"}
        assert post(collector, "q1", headers) == 202
        wait_until(lambda: received.named("store"), "a span of the commit")
        wait_until(lambda: "duckwatch_mail_events" in received.metrics, "metrics")
        assert collector.stop() == 0
        request = only(received.named("POST /api/events/ingest"))
        assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
        assert attributes(request) == {
            "http.request.method": "POST",
            "http.route": "/api/events/ingest",
            "http.response.status_code": 202,
            "http.request.body.size": attributes(request)["http.request.body.size"],
            "duckwatch.source": "plugin",
            "duckwatch.events": 1,
            "duckwatch.rejected": 0,
        }
        journal, store, write = (only(received.named(name)) for name in ("journal append", "store", "write batch"))
        for span in (journal, store, write):
            assert (span.trace_id, span.parent_span_id) == (request.trace_id, request.span_id)
        assert [link.span_id for link in store.links] == [write.span_id]
        assert store.end_time_unix_nano == write.end_time_unix_nano >= journal.end_time_unix_nano
        assert attributes(write)["duckwatch.new_events"] == 1
        events = received.metrics["duckwatch_mail_events"].sum
        assert (events.is_monotonic, sum(point.as_double for point in events.data_points)) == (True, 1)
        assert canaries.leaks_in(received.content.encode()) == []


def test_requests_of_one_batch_are_linked(make: Make, received: ReceivedExports) -> None:
    """Each request's trace holds its commit with a link to the shared write, and the write links to the requests."""
    collector = make(on(received))
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda n: post(collector, f"m{n}"), range(100))) == {202}
    wait_until(lambda: len(received.named("store")) == 100, "100 commits")
    collector.stop()
    requests = {span.span_id: span.trace_id for span in received.named("POST /api/events/ingest")}
    writes = {span.span_id: span for span in received.named("write batch")}
    assert len(set(requests.values())) == 100
    assert len(writes) < 100
    for store in received.named("store"):
        assert store.trace_id == requests[store.parent_span_id]
        write = writes[only_link(store)]
        assert store.parent_span_id in {write.parent_span_id, *(link.span_id for link in write.links)}


def only_link(span: Span) -> bytes:
    """Return the only span that this one links to."""
    [link] = span.links
    return bytes(link.span_id)


def test_a_trace_survives_kill_and_restart(make: Make, received: ReceivedExports, postgres_dsn: str) -> None:
    """After a kill and restart, the commit is in the trace of the request that was acknowledged before."""
    name = f"late_{free_port()}"
    late = conninfo.make_conninfo(postgres_dsn, dbname=name)
    collector = make(on(received), late, wait=False)
    wait_until(lambda: post(collector, "q1", {"traceparent": TRACEPARENT}) == 202 if is_up(collector) else False, "202")
    wait_until(lambda: received.named("POST /api/events/ingest"), "the request's span")
    collector.kill()
    assert not received.named("store")
    request = only(received.named("POST /api/events/ingest"))
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    try:
        collector.start()
        wait_until(lambda: received.named("store"), "a span of the commit")
    finally:
        collector.stop()
        with psycopg.connect(postgres_dsn, autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("DROP DATABASE {}").format(psycopg.sql.Identifier(name)))
    store = only(received.named("store"))
    assert (store.trace_id.hex(), store.parent_span_id) == (TRACE, request.span_id)
    assert abs(store.start_time_unix_nano - request.start_time_unix_nano) < 1e9
    assert store.end_time_unix_nano > request.end_time_unix_nano


def is_up(collector: Collector) -> bool:
    """Return True when it answers."""
    try:
        urllib.request.urlopen(f"{collector.url}/healthz", timeout=2).close()
    except OSError:
        return False
    return True


def test_histograms_show_a_trace_that_was_sent(make: Make, received: ReceivedExports) -> None:
    """Histograms in OpenMetrics have exemplars that name exported spans; the text format has none."""
    collector = make(on(received))
    assert post(collector, "q1") == 202
    wait_until(lambda: received.named("store"), "a span of the commit")
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    with urllib.request.urlopen(urllib.request.Request(f"{collector.url}/metrics", headers=accept)) as answer:
        page = answer.read().decode()
    shown = {
        sample.name: (sample.exemplar.labels["trace_id"], sample.exemplar.labels["span_id"])
        for family in text_string_to_metric_families(page)  # type: ignore[no-untyped-call]  # prometheus_client leaves it bare
        for sample in family.samples
        if sample.exemplar is not None
    }
    names = ("ingest_seconds", "store_write_seconds", "store_batch_events", "event_commit_delay_seconds")
    assert set(shown) == {f"duckwatch_{name}_bucket" for name in names}
    assert set(shown.values()) <= {(span.trace_id.hex(), span.span_id.hex()) for span in received.spans}
    with urllib.request.urlopen(f"{collector.url}/metrics") as answer:
        assert b"trace_id" not in answer.read()
    wait_until(
        lambda: any(point.exemplars for point in received.metrics["duckwatch_ingest_seconds"].histogram.data_points),
        "an exemplar by OTLP",
    )


def test_what_is_not_sampled_leaves_no_trace(make: Make, received: ReceivedExports) -> None:
    """An unsampled or unauthenticated request makes no span (parentbased), but metrics are still exported."""
    collector = make(on(received))
    assert post(collector, "q1", {"traceparent": f"00-{TRACE}-{PARENT}-00"}) == 202
    assert post(collector, "q2", {"traceparent": TRACEPARENT}, token="wrong") == 401
    wait_until(lambda: collector.total("duckwatch_mail_events_total") == 1, "the event")
    collector.stop()
    assert received.spans == []
    assert "duckwatch_mail_events" in received.metrics


def test_a_failed_write_is_a_span_with_its_kind(make: Make, received: ReceivedExports, postgres_dsn: str) -> None:
    """Failed writes are error spans of the same trace, and the last, successful one is not."""

    def of_trace(name: str) -> list[Span]:
        return [span for span in received.named(name) if span.trace_id.hex() == TRACE]

    collector = make(on(received))
    assert post(collector, "q0") == 202
    wait_until(lambda: collector.total("duckwatch_mail_events_total") == 1, "the table")
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE mail_events RENAME TO elsewhere")
        assert post(collector, "q1", {"traceparent": TRACEPARENT}) == 202
        wait_until(lambda: of_trace("write batch"), "a failed write")
        connection.execute("ALTER TABLE elsewhere RENAME TO mail_events")
    wait_until(lambda: of_trace("store"), "the commit")
    *failed, last = sorted(of_trace("write batch"), key=lambda span: span.start_time_unix_nano)
    assert {attributes(span)["error.type"] for span in failed} == {"missing_table"}
    assert "error.type" not in attributes(last)


@pytest.mark.parametrize(
    ("fault", "protocol"), [("hung", "http/protobuf"), ("hung", "grpc"), ("dead", "grpc"), ("broken", "http/protobuf")]
)
def test_a_receiver_that_is_away_costs_nothing_but_spans(
    make: Make, server_logs: Path, received: ReceivedExports, fault: str, protocol: str
) -> None:
    """Without receiver events are stored, failures are counted and logged once, and the stop is clean."""
    received.is_broken = fault == "broken"
    with hung_receiver() as hung:
        environment = on(hung if fault == "hung" else received, protocol)
        if fault == "dead":
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{free_port()}"
        queue = {"OTEL_BSP_MAX_QUEUE_SIZE": "20", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"}
        collector = make({**environment, **queue, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"})
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda n: post(collector, f"d{n}"), range(100))) == {202}
        wait_until(lambda: collector.total("duckwatch_mail_events_total") == 100, "the events")
        wait_until(lambda: collector.total("duckwatch_telemetry_exports_total") >= 3, "failures", every=0.5)
        failed = {dict(labels)["result"] for labels in collector.metrics()["duckwatch_telemetry_exports_total"]}
        assert failed == {"failed"}
        assert collector.stop() == 0
    lines = [json.loads(line) for line in log_lines(server_logs, collector)]
    told = [line["fields"]["signal"] for line in lines if line["logger"].startswith("collector.telemetry")]
    assert sorted(told) == sorted(set(told))
    assert {line["logger"].partition(".")[0] for line in lines} == {"collector"}


def test_it_tells_when_the_receiver_is_back(make: Make, server_logs: Path, received: ReceivedExports) -> None:
    """The log has two lines a signal: the begin and the end of the receiver's outage."""
    received.is_broken = True
    collector = make(on(received))
    assert post(collector, "q1") == 202
    wait_until(lambda: collector.total("duckwatch_telemetry_exports_total") >= 6, "failures")
    received.is_broken = False
    wait_until(lambda: received.pushes, "metrics")
    assert post(collector, "q2") == 202
    wait_until(lambda: received.spans, "spans")
    collector.stop()
    lines = [json.loads(line) for line in log_lines(server_logs, collector)]
    told = sorted((x["fields"]["signal"], x["message"].partition(":")[0]) for x in lines if "telemetry" in x["logger"])
    texts = "telemetry cannot be exported", "telemetry is exported again"
    assert told == [(signal, text) for signal in ("metrics", "traces") for text in texts]


def test_off_means_that_it_is_not_even_imported(make: Make, server_logs: Path, received: ReceivedExports) -> None:
    """Without an endpoint neither collector nor assembler imports opentelemetry or gRPC."""
    imports = {"PYTHONPROFILEIMPORTTIME": "1"}
    found = []
    for environment in ({}, {"OTEL_SDK_DISABLED": "true", **on(received)}, on(received)):
        collector = make(imports | environment)
        assert post(collector, "q1", {"traceparent": TRACEPARENT}) == 202
        collector.stop()
        lines = [line for line in log_lines(server_logs, collector) if line.startswith("import time:")]
        modules = {line.rpartition("|")[2].strip() for line in lines}
        assert "collector.assembly" in modules
        found.append({name.partition(".")[0] for name in modules} & {"opentelemetry", "grpc", "requests"})
    assert found[:2] == [set(), set()]
    assert "opentelemetry" in found[2]
