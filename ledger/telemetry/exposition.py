"""Writes metrics as Prometheus text, those of several processes as one."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

WORKER = "worker"
"""The label that says which process of the service a series is of."""

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Found:
    """Metrics that were collected already, as Prometheus's library takes them."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def text_of(metrics: Iterable[Metric]) -> bytes:
    """Return the text of metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Found(metrics))
    return generate_latest(registry)


def of_worker(number: int, metrics: Iterable[Metric]) -> Iterator[Metric]:
    """Yield the metrics with the worker that they are of."""
    for metric in metrics:
        metric.samples = [
            sample._replace(labels={**sample.labels, WORKER: str(number)}) for sample in metric.samples
        ]
        yield metric


def joined(own: bytes, number: int, others: Mapping[int, bytes | None]) -> bytes:
    """Return what all workers tell as one text, and which of them answered."""
    found: dict[str, Metric] = {}
    for text in (own, *others.values()):
        for family in text_string_to_metric_families((text or b"").decode()):
            if family.name in found:
                found[family.name].samples += family.samples
            else:
                found[family.name] = family
    up = GaugeMetricFamily("ledger_worker_up", "Whether a worker told of itself.", labels=[WORKER])
    for worker, told in sorted({**others, number: own}.items()):
        up.add_metric([str(worker)], float(told is not None))
    return text_of([*found.values(), up])
