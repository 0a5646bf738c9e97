"""OTLP receivers on loopback: one for HTTP/protobuf and one for gRPC that keep all exports, and one that hangs.

They read OpenTelemetry's own messages (opentelemetry-proto), and the gRPC server is grpcio's, so that they accept
what a real receiver accepts.
"""

from __future__ import annotations

import gzip
import socket
import threading
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from tests import canaries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from opentelemetry.proto.trace.v1.trace_pb2 import Span


class ReceivedExports:
    """The exports received so far."""

    def __init__(self) -> None:
        self.port = 0
        self.is_broken = False
        """When True, every export is refused."""
        self.traces: list[trace_service_pb2.ExportTraceServiceRequest] = []
        self.pushes: list[metrics_service_pb2.ExportMetricsServiceRequest] = []

    @property
    def spans(self) -> list[Span]:
        """Return every span."""
        return [
            span
            for export in list(self.traces)
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[Span]:
        """Return the spans of this name."""
        return [span for span in self.spans if span.name == name]

    @property
    def metrics(self) -> dict[str, Metric]:
        """Return the newest export of each metric, by name."""
        return {
            metric.name: metric
            for export in list(self.pushes)
            for resource in export.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    @property
    def content(self) -> str:
        """Return all exports as JSON, in which a test looks for forbidden texts. Ids are base64, which no address looks
        like.
        """
        return "\n".join(MessageToJson(export, ensure_ascii=False) for export in [*self.traces, *self.pushes])

    def heard(self) -> None:
        """Have all exports searched for secrets at the end of the run."""
        canaries.hear("spans and metrics by OTLP", self.content)


@contextmanager
def http_receiver() -> Iterator[ReceivedExports]:
    """Serve POST /v1/traces and /v1/metrics (OTLP specification, "OTLP/HTTP")."""
    received = ReceivedExports()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if received.is_broken:
                self._answer(500)
            elif self.path == "/v1/traces":
                received.traces.append(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
                self._answer(200)
            elif self.path == "/v1/metrics":
                received.pushes.append(metrics_service_pb2.ExportMetricsServiceRequest.FromString(body))
                self._answer(200)
            else:
                self._answer(404)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        received.heard()


@contextmanager
def grpc_receiver() -> Iterator[ReceivedExports]:
    """Serve TraceService and MetricsService (OTLP specification, "OTLP/gRPC")."""
    received = ReceivedExports()

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # the service's name for it
            received.traces.append(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    class Pushes(metrics_service_pb2_grpc.MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # the service's name for it
            received.pushes.append(request)
            return metrics_service_pb2.ExportMetricsServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)  # type: ignore[no-untyped-call]  # generated code
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Pushes(), server)  # type: ignore[no-untyped-call]  # generated code
    received.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield received
    finally:
        server.stop(None).wait()
        received.heard()


@contextmanager
def hung_receiver() -> Iterator[ReceivedExports]:
    """Accept connections and never answer."""
    received = ReceivedExports()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        received.port = server.getsockname()[1]
        yield received
