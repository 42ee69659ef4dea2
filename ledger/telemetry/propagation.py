"""Goes on with the trace that a request bears, as W3C's Trace Context has it."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_W3C = TraceContextTextMapPropagator()


def context_of(traceparent: bytes) -> Context | None:
    """Return the context of the span that a `traceparent` names; None where it is malformed."""
    context = _W3C.extract({"traceparent": traceparent.decode("latin-1")})
    return context if trace.get_current_span(context).get_span_context().is_valid else None


def borne_by(headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[None]:
    """Work within the trace that a request bears, if there is one and nobody has gone on with it already."""
    borne = [value for name, value in headers if name == b"traceparent"]
    context = context_of(borne[0]) if len(borne) == 1 else None
    if context is None or trace.get_current_span().get_span_context().is_valid:
        return _NOTHING
    return _within(context)


_NOTHING = nullcontext()


@contextmanager
def _within(context: Context) -> Iterator[None]:
    token = contexts.attach(context)
    try:
        yield
    finally:
        contexts.detach(token)
