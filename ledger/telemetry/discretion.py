"""What leaves in a span: only attributes that are known to hold nothing personal.

A URL may hold an NHS number, in its query or its path, and so may the text of an error or a trace state that
a client makes up. So this is a list of what may go, and everything else stays.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, Status

MAY_LEAVE = frozenset(
    {
        "code.function.name",
        "db.name",
        "db.namespace",
        "db.query.text",  # text with placeholders; values are sent apart
        "db.statement",
        "db.system",
        "db.system.name",
        "error.type",
        "exception.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "ledger.batch.size",
        "ledger.entry_id",
        "network.protocol.version",
        "url.scheme",
    }
)


class Discreet(SpanExporter):
    """Exports spans by another exporter, without what may not leave."""

    def __init__(self, exporter: SpanExporter) -> None:
        """Take who sends them."""
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send what may leave of some spans."""
        return self._exporter.export([discreet(span) for span in spans])

    def shutdown(self) -> None:
        """Close the other exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have the other exporter send what it holds."""
        return self._exporter.force_flush(timeout_millis)


def discreet(span: ReadableSpan) -> ReadableSpan:
    """Return a span with what may leave of it."""
    return ReadableSpan(
        name=span.name,
        context=_plain(span.get_span_context()),
        parent=_plain(span.parent),
        resource=span.resource,
        attributes=_allowed(span.attributes),
        events=[Event(event.name, _allowed(event.attributes), event.timestamp) for event in span.events],
        links=[Link(link.context) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code),  # without its description: the text of an error
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _plain(context: SpanContext | None) -> SpanContext | None:
    """Return a context without its trace state, which is its sender's to fill."""
    if context is None:
        return None
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def _allowed(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (attributes or {}).items() if name in MAY_LEAVE}
