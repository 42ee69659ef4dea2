"""Where traces and metrics go, from the settings: an OpenTelemetry collector, Azure Monitor, or nowhere."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExporter

from eventstore.errors import LedgerError
from ledger.settings import Settings

PATIENCE = 5
"""Seconds that an exporter waits for an answer."""


_ABOUT_ITSELF = (
    "CONTROLPLANE_DISABLED",
    "OPENTELEMETRY_RESOURCE_METRIC_DISABLED",
    "SDKSTATS_DISABLED",
    "STATSBEAT_DISABLED_ALL",
)
"""What Azure's exporter would tell of itself, and ask for; it takes no argument to leave that be."""


class ExporterMissing(LedgerError):
    """Telemetry is to be exported, and the package that does it is not installed."""


class Exporters(NamedTuple):
    """One place where telemetry goes."""

    spans: SpanExporter
    metrics: MetricExporter
    delta: bool
    """Whether it wants metrics since the last time rather than since the start."""


def exporters(settings: Settings) -> Iterator[Exporters]:
    """Yield the exporters that the settings name; raises `ExporterMissing`."""
    if settings.otel_exporter_otlp_endpoint is not None:
        yield _otlp(settings.otel_exporter_otlp_endpoint.rstrip("/"))
    if settings.applicationinsights_connection_string is not None:
        yield _azure(settings.applicationinsights_connection_string.get_secret_value())


def ensure_exporters(settings: Settings) -> None:
    """Raise `ExporterMissing` where the settings name an exporter whose package is not installed."""
    for spans, metrics, _ in exporters(settings):
        spans.shutdown()
        metrics.shutdown()


def _otlp(address: str) -> Exporters:
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ExporterMissing("OTEL_EXPORTER_OTLP_ENDPOINT: pip install 'status-ledger[otlp]'") from error
    return Exporters(
        OTLPSpanExporter(f"{address}/v1/traces", timeout=PATIENCE),
        OTLPMetricExporter(f"{address}/v1/metrics", timeout=PATIENCE),
        delta=False,
    )


def _azure(connection_string: str) -> Exporters:
    for feature in _ABOUT_ITSELF:
        os.environ.setdefault(f"APPLICATIONINSIGHTS_{feature}", "true")
    try:
        from azure.monitor.opentelemetry.exporter import (  # noqa: PLC0415
            AzureMonitorMetricExporter,
            AzureMonitorTraceExporter,
        )
    except ModuleNotFoundError as error:
        raise ExporterMissing(
            "APPLICATIONINSIGHTS_CONNECTION_STRING: pip install 'status-ledger[azure]'"
        ) from error
    # The identity to send as stands in APPLICATIONINSIGHTS_AUTHENTICATION_STRING, which the exporter reads.
    options = {"connection_string": connection_string, "disable_offline_storage": True, "timeout": PATIENCE}
    return Exporters(AzureMonitorTraceExporter(**options), AzureMonitorMetricExporter(**options), delta=True)
