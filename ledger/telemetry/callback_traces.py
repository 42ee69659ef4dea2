"""Traces callbacks from their request to their commit: those that bear a `traceparent`, and no others.

Until one comes, all that this costs is to see that nothing is under way, once a batch.
"""

import time
from collections.abc import Sequence
from contextvars import Token
from uuid import UUID

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from eventstore.events import Delivery
from ingest.endpoint import PATH
from ledger.telemetry.propagation import context_of


class CallbackTrace:
    """The trace of one callback, from its request to its answer."""

    def __init__(self, traces: "CallbackTraces", request_id: UUID, span: Span, token: Token[Context]) -> None:
        """Take the span, and how to leave it."""
        self._traces = traces
        self._request_id = request_id
        self._span = span
        self._token = token

    def end(self, code: int | None) -> None:
        """End it with the HTTP status that was answered, None where nobody waited for one."""
        if code is not None:
            self._span.set_attribute("http.response.status_code", code)
            if code >= 500:
                self._span.set_status(StatusCode.ERROR)
        self._span.end()
        self._traces.forget(self._request_id)
        contexts.detach(self._token)


class CallbackTraces:
    """The callbacks under way that bear a trace."""

    def __init__(self, tracer: Tracer) -> None:
        """Take what makes spans."""
        self._tracer = tracer
        self._under_way: dict[UUID, Context] = {}

    def begin(self, traceparent: bytes, request_id: UUID) -> CallbackTrace | None:
        """Go on with the trace that a callback bears; None where it is malformed.

        From here on log lines of the request name the trace. Spans are made where the caller has sampled it.
        """
        parent = context_of(traceparent)
        if parent is None:
            return None
        span = self._tracer.start_span(
            f"POST {PATH}",
            parent,
            SpanKind.SERVER,
            {"http.request.method": "POST", "http.route": PATH, "ledger.entry_id": str(request_id)},
        )
        within = trace.set_span_in_context(span, parent)
        if span.is_recording():
            self._under_way[request_id] = within
        return CallbackTrace(self, request_id, span, contexts.attach(within))

    def forget(self, request_id: UUID) -> None:
        """Drop a callback that was answered."""
        self._under_way.pop(request_id, None)

    def committed(self, batch: Sequence[Delivery], seconds: float) -> None:
        """Tell the traces of a batch's callbacks of its commit, which took so many seconds until now."""
        if not self._under_way:
            return
        ended = time.time_ns()
        for delivery in batch:
            within = self._under_way.get(delivery.entry.entry_id)
            if within is not None:
                span = self._tracer.start_span(
                    "commit",
                    within,
                    attributes={
                        "ledger.batch.size": len(batch),
                        "ledger.entry_id": str(delivery.entry.entry_id),
                    },
                    start_time=ended - int(seconds * 1e9),
                )
                span.end(ended)
