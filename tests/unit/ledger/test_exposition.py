"""What several processes tell becomes one text for Prometheus: each metric once, with all its series."""

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from ledger.telemetry.exposition import joined, of_worker, text_of


def told_by(worker: int, value: float, *, extra: bool = False) -> bytes:
    asked = CounterMetricFamily("asked", "How often;\nwith \\ and # HELP within.", labels=["path"])
    asked.add_metric(['/a"b\\c\n# HELP'], value)
    took = HistogramMetricFamily("took", "Time.", buckets=[("1.0", value), ("+Inf", value)], sum_value=value)
    metrics: list[Metric] = [asked, took]
    if extra:
        metrics.insert(1, GaugeMetricFamily("only_here", "Rare.", value=1))
    return text_of(of_worker(worker, metrics))


def read(text: bytes) -> dict[str, Metric]:
    found = list(text_string_to_metric_families(text.decode()))
    assert len({family.name for family in found}) == len(found), "each metric stands in one place"
    return {family.name: family for family in found}


def test_one_worker_is_told_as_it_is() -> None:
    alone = told_by(0, 2)
    assert joined({0: alone}).startswith(alone)


def test_workers_are_joined_by_metric() -> None:
    found = read(joined({1: told_by(1, 3, extra=True), 0: told_by(0, 2)}))
    assert {(one.labels["worker"], one.value) for one in found["asked"].samples} == {("0", 2), ("1", 3)}
    assert {one.labels["path"] for one in found["asked"].samples} == {'/a"b\\c\n# HELP'}
    assert found["asked"].documentation == "How often;\nwith \\ and # HELP within."
    assert (found["asked"].type, found["took"].type) == ("counter", "histogram")
    assert len(found["took"].samples) == 2 * len(read(told_by(0, 2))["took"].samples)
    assert [one.labels for one in found["only_here"].samples] == [{"worker": "1"}]


def test_a_worker_that_does_not_tell_is_told_of() -> None:
    found = read(joined({0: told_by(0, 2), 1: None}))
    assert {one.labels["worker"]: one.value for one in found["ledger_worker_up"].samples} == {"0": 1, "1": 0}
