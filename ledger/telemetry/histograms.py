"""Hands our own histograms to OpenTelemetry's readers, which have no observable ones."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    PeriodicExportingMetricReader,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from prometheus_client import CollectorRegistry

from ledger.telemetry.measures import Histogram, Reading


@dataclass(frozen=True)
class Series:
    """One metric: a histogram for each set of attributes."""

    name: str
    unit: str
    description: str
    histograms: Sequence[tuple[Mapping[str, str | int], Histogram]]


class Added:
    """Adds histograms to what a reader collects: all since the start or, as `delta`, since the last time."""

    def __init__(self, scope: str, series: Sequence[Series], *, delta: bool) -> None:
        """Take the scope whose instruments they join, and the metrics."""
        self._scope = scope
        self._series = series
        self._delta = delta
        self._started = self._last = time.time_ns()
        self._told: dict[int, Reading] = {}

    def to(self, collected: MetricsData) -> MetricsData:
        """Return what was collected, and the histograms; metrics of one name are one, whosever they are."""
        now = time.time_ns()
        metrics = [self._metric(series, now) for series in self._series]
        self._last = now
        (resource,) = collected.resource_metrics
        # Beside the instruments of the same scope: of one that comes twice, OTLP's exporter keeps the last.
        scopes = [
            replace(scope, metrics=[*scope.metrics, *metrics]) if scope.scope.name == self._scope else scope
            for scope in resource.scope_metrics
        ]
        return MetricsData([replace(resource, scope_metrics=_joined(scopes))])

    def _metric(self, series: Series, now: int) -> Metric:
        temporality = AggregationTemporality.DELTA if self._delta else AggregationTemporality.CUMULATIVE
        points = list(self._points(series, now))
        return Metric(series.name, series.description, series.unit, HistogramData(points, temporality))

    def _points(self, series: Series, now: int) -> Iterator[HistogramDataPoint]:
        for attributes, histogram in series.histograms:
            read = told = histogram.read()
            if self._delta:
                earlier = self._told.get(id(histogram))
                told = read.since(earlier) if earlier is not None else read
                self._told[id(histogram)] = read
                if not any(told.counts):
                    continue
            extremes: Any = None  # not kept; exporters take None for unknown
            yield HistogramDataPoint(
                attributes=dict(attributes),
                start_time_unix_nano=self._last if self._delta else self._started,
                time_unix_nano=now,
                count=sum(told.counts),
                sum=told.sum,
                bucket_counts=told.counts,
                explicit_bounds=histogram.bounds,
                min=extremes,
                max=extremes,
            )


def _joined(scopes: Sequence[ScopeMetrics]) -> list[ScopeMetrics]:
    """Return the metrics, those of one name as the first of them: of two, Prometheus' labels are mixed up."""
    found: dict[str, list[Metric]] = {}
    for metric in chain.from_iterable(scope.metrics for scope in scopes):
        found.setdefault(metric.name, []).append(metric)
    whole = {name: _one(metrics) for name, metrics in found.items()}
    return [
        replace(scope, metrics=[whole.pop(metric.name) for metric in scope.metrics if metric.name in whole])
        for scope in scopes
    ]


def _one(metrics: Sequence[Metric]) -> Metric:
    first, *others = metrics
    if not others:
        return first
    data: Any = first.data  # of any kind: it has points
    points = chain.from_iterable(metric.data.data_points for metric in metrics)
    return replace(first, data=replace(data, data_points=list(points)))


class PrometheusReader(PrometheusMetricReader):
    """Collects when it is asked, for Prometheus."""

    def __init__(self, registry: CollectorRegistry, added: Added) -> None:
        """Take where Prometheus's library finds what was collected."""
        super().__init__(disable_target_info=True, scope_info_enabled=False, registry=registry)
        self._added = added

    def _receive_metrics(self, metrics_data: MetricsData, *args: Any, **options: Any) -> None:
        super()._receive_metrics(self._added.to(metrics_data), *args, **options)


class ExportingReader(PeriodicExportingMetricReader):
    """Collects now and then in a thread of its own, for an exporter."""

    def __init__(self, exporter: MetricExporter, added: Added) -> None:
        """Take the exporter; OTEL_METRIC_EXPORT_INTERVAL says how often, by default each minute."""
        self._added = added  # before the thread starts
        super().__init__(exporter)

    def _receive_metrics(self, metrics_data: MetricsData, *args: Any, **options: Any) -> None:
        super()._receive_metrics(self._added.to(metrics_data), *args, **options)
