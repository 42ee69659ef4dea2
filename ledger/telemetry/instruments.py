"""What is measured, by name: alerts, dashboard and docs/operations.md speak of these metrics.

All of it is read when somebody collects; nothing here runs while a callback is answered.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from eventstore.database import PoolUse
from eventstore.group_commit import Waiting
from ingest.quarantine import Caps
from ledger.telemetry.histograms import Series
from ledger.telemetry.measures import NO_CHANNEL, Measures
from ledger.telemetry.vitals import Vitals

Observed = Iterable[tuple[float, Mapping[str, str]]]

Found = TypeVar("Found")


def series(measures: Measures) -> list[Series]:
    """Return the histograms."""
    return [
        Series("ledger.batch.size", "{callback}", "Callbacks of one commit.", [({}, measures.batch_sizes)]),
        Series("ledger.commit.duration", "s", "Time until a batch is committed.", [({}, measures.commits)]),
        Series(
            "ledger.delivery.lag",
            "s",
            "From the supplier's time to receipt, of callbacks that repeat nothing.",
            [({"channel": channel or NO_CHANNEL}, lags) for channel, lags in measures.lags.items()],
        ),
    ]


class Watched(NamedTuple):
    """What is measured; the functions return None where there is nothing to tell of."""

    answered: Mapping[int, int]
    """Callbacks by the status that they were answered."""
    measures: Measures
    waiting: Callable[[], Waiting | None]
    pool: Callable[[], PoolUse | None]
    vitals: Callable[[], Vitals | None]
    quarantine: Caps


def instrument(meter: Meter, watched: Watched) -> None:
    """Make the instruments that tell of what is watched."""
    answered, measures, waiting, pool, vitals_now, caps = watched

    def counter(name: str, unit: str, description: str, read: Callable[[], Observed]) -> None:
        meter.create_observable_counter(name, [_observing(read)], unit, description)

    def gauge(name: str, unit: str, description: str, read: Callable[[], Observed]) -> None:
        meter.create_observable_gauge(name, [_observing(read)], unit, description)

    def vital(name: str, unit: str, description: str, read: Callable[[Vitals], float]) -> None:
        gauge(
            name,
            unit,
            description,
            lambda: [(read(vitals), {}) for vitals in _there(vitals_now())],
        )

    counter(
        "ledger.callbacks",
        "{callback}",
        "Callbacks by the HTTP status that they were answered.",
        lambda: [(count, {"answer": str(code)}) for code, count in list(answered.items())],
    )
    counter(
        "ledger.events",
        "{event}",
        "Items of recorded callbacks: new events, repeats of one, or of an erased message.",
        lambda: [
            (measures.new, {"outcome": "new"}),
            (measures.repeats, {"outcome": "repeat"}),
            (measures.erased, {"outcome": "erased"}),
        ],
    )
    counter(
        "ledger.conflicts",
        "{event}",
        "New events that contradict another of their idempotency key.",
        lambda: [(measures.conflicts, {})],
    )
    gauge(
        "ledger.queue.callbacks",
        "{callback}",
        "Callbacks that wait to be written.",
        lambda: [(found.requests, {}) for found in _there(waiting())],
    )
    gauge(
        "ledger.queue.size",
        "By",
        "Bytes that wait to be written.",
        lambda: [(found.bytes, {}) for found in _there(waiting())],
    )
    gauge(
        "ledger.pool.connections",
        "{connection}",
        "Connections to the database.",
        lambda: [
            one
            for found in _there(pool())
            for one in ((found.idle, {"state": "idle"}), (found.used, {"state": "used"}))
        ],
    )
    gauge(
        "ledger.pool.limit",
        "{connection}",
        "The most connections that the pool may hold.",
        lambda: [(found.limit, {}) for found in _there(pool())],
    )
    gauge(
        "ledger.pool.waiting",
        "{request}",
        "Who waits for a connection.",
        lambda: [(found.waiting, {}) for found in _there(pool())],
    )
    counter(
        "ledger.pool.timeouts",
        "{request}",
        "Who waited for a connection in vain.",
        lambda: [(found.timeouts, {}) for found in _there(pool())],
    )
    gauge(
        "ledger.database.up",
        "1",
        "Whether the database answered when it was asked last.",
        lambda: [(float(vitals_now() is not None), {})],
    )
    vital(
        "ledger.quarantine.callbacks",
        "{callback}",
        "Callbacks that wait in quarantine.",
        lambda vitals: vitals.quarantined,
    )
    vital(
        "ledger.quarantine.size",
        "By",
        "Bytes that wait in quarantine.",
        lambda vitals: vitals.quarantined_bytes,
    )
    vital(
        "ledger.quarantine.fill",
        "1",
        "How much of what the quarantine may hold is taken, from 0 to 1: of callbacks or of bytes.",
        lambda vitals: vitals.fill(caps),
    )
    vital("ledger.sealed", "{entry}", "Entries that have their index.", lambda vitals: vitals.sealed)
    vital(
        "ledger.unsealed.age",
        "s",
        "Age of the oldest entry that has no index; 0 where none waits.",
        lambda vitals: vitals.unsealed_age,
    )
    vital(
        "ledger.anchor.age",
        "s",
        "Age of the oldest signed checkpoint that is not anchored; 0 where none waits.",
        lambda vitals: vitals.unanchored_age,
    )


def _observing(read: Callable[[], Observed]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [Observation(value, attributes) for value, attributes in read()]


def _there(found: Found | None) -> list[Found]:
    return [] if found is None else [found]
