"""Histograms of our own reach a reader beside the instruments: all since the start, or what came since."""

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, MetricsData

from ledger.telemetry.histograms import Added, Series
from ledger.telemetry.measures import Histogram


@pytest.fixture
def collected() -> MetricsData:
    reader = InMemoryMetricReader()
    MeterProvider([reader], shutdown_on_exit=False).get_meter("scope").create_counter("asked").add(1)
    found = reader.get_metrics_data()
    assert found is not None
    return found


def points(told: MetricsData) -> list[Any]:
    """Return the points of the histogram, which stands in the scope of the instruments."""
    (resource,) = told.resource_metrics
    (scope,) = resource.scope_metrics
    asked, took = scope.metrics
    assert (asked.name, took.name, took.unit) == ("asked", "took", "s")
    return list(took.data.data_points)


@pytest.mark.parametrize("delta", [False, True])
def test_the_second_time_tells_all_or_what_is_new(collected: MetricsData, delta: bool) -> None:
    histogram, idle = Histogram((1, 5)), Histogram((1, 5))
    series = Series("took", "s", "Time.", [({"of": "it"}, histogram), ({"of": "nothing"}, idle)])
    added = Added("scope", [series], delta=delta)
    for value in (0.5, 1, 1.5, 100):
        histogram.add(value)
    first, *others = points(added.to(collected))
    assert (first.bucket_counts, first.explicit_bounds) == ((2, 1, 1), (1.0, 5.0))
    assert (first.count, first.sum, first.attributes) == (4, 103.0, {"of": "it"})
    assert len(others) == (0 if delta else 1)

    histogram.add(2)
    told = added.to(collected)
    second = points(told)[0]
    assert second.bucket_counts == ((0, 1, 0) if delta else (2, 2, 1))
    assert (second.count, second.sum) == ((1, 2.0) if delta else (5, 105.0))
    assert second.start_time_unix_nano == (first.time_unix_nano if delta else first.start_time_unix_nano)
    temporality = told.resource_metrics[0].scope_metrics[0].metrics[1].data
    wanted = AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE
    assert temporality.aggregation_temporality == wanted  # type: ignore[union-attr]
    if delta:
        assert points(added.to(collected)) == []


def test_a_histogram_of_an_instruments_name_is_one_with_it() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("theirs").create_histogram("took", "s", "Time.").record(1, {"of": "theirs"})
    provider.get_meter("ours").create_counter("asked").add(1)
    collected = reader.get_metrics_data()
    assert collected is not None
    histogram = Histogram((1, 5))
    (resource,) = (
        Added("ours", [Series("took", "s", "Time.", [({"of": "ours"}, histogram)])], delta=False)
        .to(collected)
        .resource_metrics
    )
    theirs, ours = resource.scope_metrics
    assert [metric.name for metric in ours.metrics] == ["asked"]
    (took,) = theirs.metrics
    assert [point.attributes for point in took.data.data_points] == [{"of": "theirs"}, {"of": "ours"}]
