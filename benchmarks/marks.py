"""What is measured, beside what, and the marks that the ratios must reach."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """What a figure must reach, and what it aims for."""

    must: float
    aim: float
    more: bool = True
    """Whether more is better."""
    unit: str = ""
    """Of a figure that stands for itself; a ratio has none."""


@dataclass(frozen=True)
class Line:
    """One ratio, or one figure that stands for itself."""

    figure: str
    beside: tuple[str, ...] = ()
    """The limit or the peers: the ratio is to the best of them."""
    with_: str = ""
    """What sets this line apart from the row's others."""


@dataclass(frozen=True)
class Row:
    """One row of the table of marks. It reaches a mark when one of its lines does."""

    name: str
    what: str
    lines: tuple[Line, ...]
    mark: Mark | None
    full: bool = False
    """Whether it takes too long for the quick form."""


PEERS = {"eventsourcing": ("one", "8"), "emmett": ("one", "8", "32")}
"""Peers, and how many single appends they do at once."""

UNITS = {
    "callbacks": "callbacks/s",
    "constant": "requests/s",
    "copy": "events/s",
    "cost": "µs",
    "emmett": "events/s",
    "events": "events/s",
    "eventsourcing": "events/s",
    "insert": "rows/s",
    "disk": "times",
    "growth": "MB",
    "health": "requests/s",
    "lag": "s",
    "large": "/s",
    "lookups": "requests/s",
    "p99": "ms",
    "page": "ms",
    "pause": "ms",
    "proof": "ms",
    "ready": "s",
    "rebuild": "events/s",
    "rss": "MB",
    "slow": "callbacks/s",
    "sealed": "callbacks/s",
    "unsealed": "callbacks/s",
}
"""Units of figures, by the first word of their names."""


def unit(figure: str) -> str:
    """Return the unit of a figure."""
    return UNITS[figure.partition("-")[0]]


def rows(workers: Sequence[int], *, full: bool) -> list[Row]:
    """Return the table of marks, with a line for each number of workers; the quick form has fewer lines."""
    few = workers if full else workers[:1]

    def each(figure: str, *beside: str, of: Sequence[int] = few) -> tuple[Line, ...]:
        return tuple(Line(f"{figure}-{n}", tuple(one.format(n=n) for one in beside), told(n)) for n in of)

    def told(n: int) -> str:
        return "1 worker" if n == 1 else f"{n} workers"

    return [
        Row(
            "single",
            "single-item signed callbacks a second over HTTP ÷ bare `INSERT`",
            each("callbacks", "insert", of=workers),
            Mark(0.7, 1.0),
        ),
        Row(
            "single-few",
            "the same with a quarter of the callers (64)",
            each("callbacks-few", "insert", of=workers[:1]),
            None,
        ),
        Row(
            "hundred",
            "100-item deliveries, events a second ÷ `COPY`",
            each("events", "copy", of=workers),
            Mark(0.4, 0.6),
        ),
        Row(
            "hundred-kept",
            "the same ÷ `COPY` of all that is kept of them, bodies and read model included",
            each("events", "copy-kept", of=workers),
            None,
        ),
        Row(
            "peers",
            "single-item rate over HTTP ÷ best peer's single append, in process",
            each("callbacks", *(f"{peer}-{way}" for peer, ways in PEERS.items() for way in ways), of=workers),
            Mark(2.5, 4),
        ),
        Row(
            "peers-hundred",
            "100-item deliveries, events a second ÷ best peer's batches of 100, in process",
            each("events", *(f"{peer}-hundred" for peer in PEERS), of=workers),
            None,
        ),
        Row(
            "slow-commit",
            "single-item rate with 3 ms a commit ÷ without",
            each("slow", "callbacks-{n}"),
            Mark(0.6, 0.9),
        ),
        Row(
            "latency",
            "99th percentile at half of the peak rate",
            each("p99"),
            Mark(25, 10, more=False, unit="ms"),
        ),
        Row(
            "large",
            "single-item rate with many millions of events already stored ÷ with none",
            each("large-callbacks", "callbacks-{n}"),
            Mark(0.8, 0.95),
            full=True,
        ),
        Row(
            "large-hundred",
            "events a second of 100-item deliveries, with as many ÷ with none",
            each("large-events", "events-{n}"),
            Mark(0.8, 0.95),
            full=True,
        ),
        Row(
            "disk",
            "bytes on disk an event ÷ bytes of its raw body",
            (Line("disk"),),
            Mark(3.5, 2.0, more=False, unit="times"),
        ),
        Row(
            "lookup",
            "`GET /api/statuses?messageId=` a second ÷ a constant from the same HTTP server",
            each("lookups", "constant-{n}"),
            Mark(0.35, 0.5),
        ),
        Row(
            "lookup-route",
            "the same ÷ the service's own health check, which asks no database",
            each("lookups", "health-{n}"),
            None,
        ),
        Row(
            "page",
            "page of 1,000 records, CPU in the service",
            (Line("page-cpu"),),
            Mark(10, 5, more=False, unit="ms"),
        ),
        Row(
            "sealing",
            "single-item rate while entries are sealed ÷ while none are",
            each("sealed", "unsealed-{n}"),
            Mark(0.95, 0.98),
            full=True,
        ),
        Row(
            "sealing-cost",
            "processor time of a callback while none are sealed ÷ while they are, seals included",
            each("cost-unsealed", "cost-sealed-{n}"),
            None,
            full=True,
        ),
        Row(
            "seal-lag",
            "longest that an entry waits for its index under full load",
            each("lag"),
            Mark(5, 2, more=False, unit="s"),
            full=True,
        ),
        Row(
            "proof",
            "99th percentile of the proof of any of 1,000,000 entries",
            (Line("proof-p99"), Line("proof-most", with_="the slowest")),
            Mark(100, 20, more=False, unit="ms"),
            full=True,
        ),
        Row(
            "rebuild",
            "rebuild of the read model, events a second",
            (Line("rebuild"),),
            Mark(100_000, 250_000, unit="events/s"),
            full=True,
        ),
        Row(
            "pause",
            "longest pause of a reader or a supplier while the rebuilt tables are swapped in",
            (Line("pause-swap"),),
            Mark(100, 20, more=False, unit="ms"),
            full=True,
        ),
        Row(
            "memory",
            "memory of a worker after a million callbacks (RSS)",
            (Line("rss"),),
            Mark(150, 100, more=False, unit="MB"),
            full=True,
        ),
        Row(
            "growth",
            "of which grown since the first hundred thousand",
            (Line("growth"),),
            None,
            full=True,
        ),
        Row(
            "ready",
            "`serve` ready on an existing database",
            (Line("ready"),),
            Mark(2, 1, more=False, unit="s"),
        ),
    ]
