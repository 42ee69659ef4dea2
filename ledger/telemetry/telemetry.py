"""Owns the service's metrics and traces: what is measured, where it goes, when that begins and ends."""

import asyncio
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from fastapi.telemetry import TelemetryConfig
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from prometheus_client import CollectorRegistry, ProcessCollector

from eventstore.appender import Recorded
from eventstore.database import LedgerConnection
from eventstore.events import Delivery
from eventstore.tasks import end
from ingest.quarantine import Caps
from ledger.runtime import Ledger
from ledger.settings import Settings
from ledger.telemetry.callback_traces import CallbackTraces
from ledger.telemetry.discretion import Discreet
from ledger.telemetry.exporters import exporters
from ledger.telemetry.exposition import joined, of_worker, text_of
from ledger.telemetry.histograms import Added, ExportingReader, PrometheusReader
from ledger.telemetry.instruments import Watched, instrument, series
from ledger.telemetry.measures import Measures
from ledger.telemetry.requests import Requests
from ledger.telemetry.vitals import Watch
from ledger.telemetry.workers import Workers, place_of_parent
from query import endpoint as query_endpoint

SCOPE = "ledger"
"""What the metrics and spans of our own belong to."""


class Telemetry:
    """The metrics and traces of one process of the service.

    It is made before the ledger, which tells it of every batch; `watch` then says whom it is to watch.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare to measure; raises `ExporterMissing`. Nothing is exported before `open`."""
        self._settings = settings
        self._exporters = list(exporters(settings))
        resource = Resource(
            {
                "service.name": "status-ledger",
                "service.version": version("status-ledger"),
                "service.instance.id": f"{platform.node()}-{os.getpid()}",
                "deployment.environment.name": settings.environment,
            }
        )
        # Without an exporter no span is recorded; a trace that a request bears keeps its id for the log.
        sampler = ParentBased(TraceIdRatioBased(settings.traces_sampled)) if self._exporters else ALWAYS_OFF
        self._tracers = TracerProvider(sampler, resource, shutdown_on_exit=False)
        self._measures = Measures()
        self.requests = Requests("GET", query_endpoint.PATH)
        """What is measured of the reads that FastAPI does not see."""
        self._series = [*series(self._measures), self.requests.series]
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        reader = PrometheusReader(self._registry, Added(SCOPE, self._series, delta=False))
        self._meters = MeterProvider([reader], resource, shutdown_on_exit=False)
        self.callbacks = CallbackTraces(self._tracers.get_tracer(SCOPE))
        self._workers = Workers(place_of_parent())
        self._readers: list[ExportingReader] = []
        self._watch: Watch | None = None
        self._watching: asyncio.Task[None] | None = None
        self._collecting = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._open = False

    @property
    def traces(self) -> bool:
        """Whether spans are received by anybody: each costs 100 µs."""
        return bool(self._exporters)

    @property
    def framework(self) -> TelemetryConfig:
        """What FastAPI measures and traces by itself: every request but callbacks."""
        return {
            "tracing": self.traces,
            "tracer_provider": self._tracers,
            "meter_provider": self._meters,
            "operation_spans": False,
            "logs": False,
            "auto_configure": False,
        }

    def observe(self, batch: Sequence[Delivery], recorded: Sequence[Recorded], seconds: float) -> None:
        """Measure a batch of callbacks that was committed in so many seconds."""
        self._measures.observe(batch, recorded, seconds)
        self.callbacks.committed(batch, seconds)

    def trace(self, connection: LedgerConnection) -> None:
        """Trace what the cursors of a new connection execute: the text of statements, never their values."""
        if self.traces:
            PsycopgInstrumentor.instrument_connection(connection, self._tracers)

    def watch(self, ledger: Ledger, answered: Mapping[int, int]) -> None:
        """Watch a ledger, and count the callbacks that were answered, by status."""
        watch = self._watch = Watch(lambda: ledger.database)
        settings = self._settings
        meter = self._meters.get_meter(SCOPE)
        self.requests.instrument(meter)
        instrument(
            meter,
            Watched(
                answered=answered,
                measures=self._measures,
                waiting=lambda: ledger.waiting,
                pool=lambda: ledger.pool,
                vitals=lambda: watch.vitals,
                quarantine=Caps(settings.quarantine_max_requests, settings.quarantine_max_bytes),
            ),
        )

    async def open(self) -> None:
        """Begin to export, and to tell the other processes of the service; a second call does no harm."""
        async with self._opening:
            if self._open:
                return
            self._open = True
            for spans, metrics, delta in self._exporters:
                self._tracers.add_span_processor(BatchSpanProcessor(Discreet(spans)))
                reader = ExportingReader(metrics, Added(SCOPE, self._series, delta=delta))
                self._meters.add_metric_reader(reader)
                self._readers.append(reader)
            if self._exporters and self._watch is not None:
                self._watching = asyncio.create_task(self._watch.keep())
            await self._workers.open(self._own)

    async def close(self) -> None:
        """Export what is left, and end; a second call does no harm. Once ended it exports nothing more."""
        async with self._opening:
            if not self._open:
                return
            self._open = False
            await self._workers.close()
            if self._watching is not None:
                await end(self._watching)
            if self._exporters:  # else there is nothing to end, and the service may open once more
                await asyncio.to_thread(self._tracers.shutdown)
            for reader in self._readers:  # those that came later, the provider does not shut down
                await asyncio.to_thread(reader.shutdown)

    async def text(self) -> bytes:
        """Return what all processes of the service have measured, as Prometheus text."""
        own, others = await asyncio.gather(self._own(), self._workers.others())
        return joined({self._workers.number: own} | others)

    async def _own(self) -> bytes:
        if self._watch is not None:
            await self._watch.look()
        async with self._collecting:  # the reader hands over what it collected by way of itself
            return await asyncio.to_thread(self._collect)

    def _collect(self) -> bytes:
        return text_of(of_worker(self._workers.number, self._registry.collect()))
