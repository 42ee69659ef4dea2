"""What the ledger costs besides time: bytes on disk, and memory of the service."""

from benchmarks.bodies import bodies
from benchmarks.ground import Ground
from benchmarks.intake import CONNECTIONS
from benchmarks.load import post

PARTS = 10
"""In so many parts callbacks are sent; between two the server vacuums, as it would itself in time."""

SIZE = (
    "SELECT sum(pg_total_relation_size(pg_class.oid))::bigint FROM pg_class"
    " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE relkind IN ('r', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
)
"""Bytes of all tables of a database: entries, events, leaves, read model; indexes and TOAST included."""


def disk(ground: Ground) -> tuple[float, float]:
    """Return the bytes on disk for each byte of a callback's body, and for each event.

    Callbacks of one item and about 600 bytes, six a message. The tables as they are empty are not counted.
    """
    count = ground.scale.stored // PARTS
    with ground.connect("disk") as connection:
        ((empty,),) = connection.execute(SIZE).fetchall()
        told = 0
        for _ in range(PARTS):
            made = list(bodies(count, ground.seed()))
            told += sum(map(len, made))
            post(ground.service(1, "disk").port, made, ground.requests, 0, CONNECTIONS)
            ground.settle()
            connection.execute("VACUUM (ANALYZE)")
        ((size, events),) = connection.execute(f"SELECT ({SIZE}), (SELECT count(*) FROM events)").fetchall()  # noqa: S608
    if events != count * PARTS:
        raise RuntimeError(f"{events} events of {count * PARTS} callbacks")
    return (size - empty) / told, (size - empty) / events


def memory(ground: Ground) -> tuple[float, float, float]:
    """Return the RSS and PSS in MB of the one worker after many callbacks, and by how much the RSS grew.

    The growth is from the first tenth of the callbacks to the last.
    """
    service = ground.service(1, "memory")
    count = ground.scale.callbacks // PARTS
    sizes = []
    for _ in range(PARTS):
        post(service.port, bodies(count, ground.seed()), ground.requests, 0, CONNECTIONS)
        ground.settle()
        sizes.append(service.memory_mb())
    with ground.connect("memory") as connection:
        ((events,),) = connection.execute("SELECT count(*) FROM events").fetchall()
    if events != count * PARTS:
        raise RuntimeError(f"{events} events of {count * PARTS} callbacks")
    (first, _), (rss, pss) = sizes[0], sizes[-1]
    return rss, pss, rss - first
