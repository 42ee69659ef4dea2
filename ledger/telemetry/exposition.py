"""Writes metrics as Prometheus text, those of several processes as one."""

import re
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

WORKER = "worker"
"""The label that says which process of the service a series is of."""

_HEADS = re.compile(rb"^# HELP ", re.MULTILINE)

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


def joined(texts: Mapping[int, bytes | None]) -> bytes:
    """Return what the workers tell as one text, and which of them told; None stands for one that did not.

    Their texts are put together by metric and not parsed: they are this module's own, and to parse one
    takes four times as long as to write it.
    """
    found: dict[bytes, list[bytes]] = {}
    for text in texts.values():
        for metric in _HEADS.split(text or b"")[1:]:
            *head, samples = metric.split(b"\n", 2)
            found.setdefault(b"\n".join(head), []).append(samples)
    up = GaugeMetricFamily("ledger_worker_up", "Whether a worker told of itself.", labels=[WORKER])
    for worker, told in sorted(texts.items()):
        up.add_metric([str(worker)], float(told is not None))
    parts = [b"# HELP %s\n%s" % (head, b"".join(samples)) for head, samples in found.items()]
    return b"".join([*parts, text_of([up])])
