"""Callbacks over HTTP: as fast as they go, by the hundred, with slow commits, and at half the peak."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.bodies import bodies, deliveries
from benchmarks.ground import SMALL, Ground
from benchmarks.load import Load, post

CONNECTIONS = 256
"""As many as bring the peak; at half of it so many that a slow answer delays nothing else."""
FEW = 64
DELIVERING = 16
"""Connections that bring a hundred items at once."""
ITEMS = 100
MOST_CALLBACKS = 20_000
MOST_EVENTS = 50_000
"""More distinct ones a second than a machine of two cores can take."""
WARM_UP = 1.0
"""Seconds of load that a service answers before it is measured for the first time."""
SLOW_COMMIT = 3_000
"""Microseconds that each commit takes longer."""


def callbacks(ground: Ground, workers: int, database: str = SMALL) -> tuple[float, float]:
    """Return how many callbacks of one item are answered a second, and the 99th percentile in ms."""
    load = _callbacks(ground, workers, database)
    if database == SMALL:
        ground.peak[workers] = load.rate
    return load.rate, load.p99_ms


def callbacks_and_cost(ground: Ground, workers: int, database: str) -> tuple[float, float]:
    """Return how many callbacks of one item are answered a second, and what one takes of the processor in µs.

    That is the time of the service and of PostgreSQL, until all is sealed that will be.
    """
    port = _warm(ground, workers, database)
    made = bodies(int(ground.seconds * MOST_CALLBACKS), ground.seed())
    ground.settle()
    with _recorded(ground, database, items=1) as told:
        before = ground.cpu_seconds()
        told.append(post(port, made, ground.requests, ground.seconds, CONNECTIONS))
        ground.await_sealed()
        took = ground.cpu_seconds() - before
    return told[0].rate, took / told[0].requests * 1e6


def callbacks_of_few(ground: Ground, workers: int) -> tuple[float]:
    """Return how many callbacks of one item are answered a second where fewer callers wait for answers."""
    return (_callbacks(ground, workers, SMALL, connections=FEW).rate,)


def delivered(ground: Ground, workers: int, database: str = SMALL) -> tuple[float]:
    """Return how many events a second arrive in callbacks of a hundred items."""
    port = _warm(ground, workers, database)
    made = deliveries(int(ground.seconds * MOST_EVENTS) // ITEMS, ITEMS, ground.seed())
    ground.settle()
    with _recorded(ground, database, ITEMS) as told:
        told.append(post(port, made, ground.requests, ground.seconds, DELIVERING))
    return (told[0].rate * ITEMS,)


def slow_commits(ground: Ground, workers: int) -> tuple[float]:
    """Return how many callbacks of one item are answered a second while each commit takes 3 ms longer."""
    ground.service(workers)
    ground.configure(commit_delay=SLOW_COMMIT, commit_siblings=0)
    try:
        return (_callbacks(ground, workers, SMALL).rate,)
    finally:
        ground.configure(commit_delay=0, commit_siblings=5)


def at_half(ground: Ground, workers: int) -> tuple[float, float, float]:
    """Return the 99th percentile and the median in ms at half the last rate, and the rate reached."""
    if workers not in ground.peak:
        callbacks(ground, workers)
    load = _callbacks(ground, workers, SMALL, rate=ground.peak[workers] / 2)
    return load.p99_ms, load.p50_ms, load.rate


def have_events(ground: Ground, count: int, workers: int = 1) -> None:
    """See that the ledger has so many events, in callbacks of a hundred items."""
    with ground.connect() as connection:
        ((there,),) = connection.execute("SELECT count(*) FROM events").fetchall()
    if there < count:
        made = deliveries(-(-(count - there) // ITEMS), ITEMS, ground.seed())
        post(ground.service(workers).port, made, ground.requests, 0, DELIVERING)


def _callbacks(
    ground: Ground, workers: int, database: str, rate: float = 0, connections: int = CONNECTIONS
) -> Load:
    port = _warm(ground, workers, database)
    made = bodies(int(ground.seconds * (rate * 1.1 + 100 if rate else MOST_CALLBACKS)), ground.seed())
    ground.settle()
    with _recorded(ground, database, items=1) as told:
        told.append(post(port, made, ground.requests, ground.seconds, connections, rate))
    return told[0]


def _warm(ground: Ground, workers: int, database: str) -> int:
    """Return the port of a service that has its connections and its statements."""
    port = ground.service(workers, database).port
    if ground.just_started:
        made = bodies(int(WARM_UP * MOST_CALLBACKS), ground.seed())
        post(port, made, ground.requests, WARM_UP, CONNECTIONS)
        ground.just_started = False
    return port


@contextmanager
def _recorded(ground: Ground, database: str, items: int) -> Iterator[list[Load]]:
    """Raise at the end unless all that was answered is recorded, with its events and their statuses.

    What was on its way when the load ended may be recorded too.
    """
    told: list[Load] = []
    with ground.connect(database) as connection:
        ((since,),) = connection.execute("SELECT pg_current_xact_id()::text").fetchall()
        yield told
        ((entries, events, lacking),) = connection.execute(
            "SELECT count(DISTINCT entries.entry_id), count(events.entry_id),"
            " count(*) FILTER (WHERE message_status.message_id IS NULL)"
            " FROM entries LEFT JOIN events USING (entry_id) LEFT JOIN message_status USING (message_id)"
            " WHERE entries.transaction_id >= %s::xid8",
            [since],
        ).fetchall()
    (load,) = told
    under_way = CONNECTIONS
    if not load.requests <= entries <= load.requests + under_way or events != entries * items or lacking:
        raise RuntimeError(f"{load}: {entries} entries, {events} events, {lacking} of them without a status")
