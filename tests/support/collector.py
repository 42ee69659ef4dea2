"""An OpenTelemetry collector and an Application Insights of a test's own, on this machine."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.processes import wait_until


class Span(NamedTuple):
    """A span as it was exported."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    starts: int
    ends: int


class Collector:
    """What was exported to it."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.url = ""

    @property
    def connection_string(self) -> str:
        """How to export to it as to Application Insights."""
        return f"InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint={self.url}/"

    @property
    def everything(self) -> bytes:
        """All bytes that it received."""
        return b"\n".join(content for _, content in self.received)

    @property
    def spans(self) -> list[Span]:
        """The spans that it received by OTLP."""
        found = []
        for path, content in list(self.received):
            if path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
                    for scope in resource.scope_spans:
                        found += [_span(span) for span in scope.spans]
        return found

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics that it received by OTLP, the latest of each name."""
        found: dict[str, Any] = {}
        for path, content in list(self.received):
            if path == "/v1/metrics":
                for resource in ExportMetricsServiceRequest.FromString(content).resource_metrics:
                    for scope in resource.scope_metrics:
                        found |= {metric.name: metric for metric in scope.metrics}
        return found

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        """What it received as Application Insights."""
        return [
            one for path, content in list(self.received) if path.endswith("/track") for one in _lines(content)
        ]

    def wait_for_span(self, name: str) -> Span:
        """Wait until a span of this name was exported, and return the first."""
        wait_until(lambda: any(span.name == name for span in self.spans))
        return next(span for span in self.spans if span.name == name)


def _span(span: Any) -> Span:
    attributes = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
    return Span(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        attributes,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
    )


def _lines(content: bytes) -> list[dict[str, Any]]:
    told = json.loads(content)
    return told if isinstance(told, list) else [told]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector while the block lasts."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                content = gzip.decompress(content)
            collector.received.append((self.path, content))
            answer = b""
            if self.path.endswith("/track"):
                count = len(_lines(content))
                answer = json.dumps({"itemsReceived": count, "itemsAccepted": count, "errors": []}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
