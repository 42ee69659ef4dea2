"""What sealing costs the callbacks, whether it keeps up with them, and how long a proof takes."""

import asyncio
import random
import threading
import time
from functools import partial

import psycopg

from benchmarks.ground import SEALED, UNSEALED, Ground, unseen
from benchmarks.intake import callbacks, callbacks_and_cost
from eventstore.anchors import Folder
from eventstore.checkpoints import Seals
from eventstore.database import Database
from eventstore.notes import SigningKey
from eventstore.proofs import proof_of
from eventstore.sealing import Sealing
from ledger.migration import migrate

PROVEN = "proven"
"""The database of many sealed entries."""

PROOFS = 500
EVERY = 0.05
"""Seconds between two looks at what waits for a seal."""

WAITING = """
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0)::float
    FROM entries
    WHERE (transaction_id >= %s::xid8 OR transaction_id = ANY(%s::xid8[]))
        AND NOT EXISTS (SELECT FROM leaves WHERE leaves.entry_id = entries.entry_id)
"""

FILL = """
    INSERT INTO entries (entry_id, kind, client_id, received_at, secret_id, rules, signature, body)
    SELECT gen_random_uuid(), 'callback', 'notify', now(), 'benchmark', 1, sha256(number::text::bytea),
        convert_to(repeat('x', 500) || number, 'UTF8')
    FROM generate_series(1, %s) AS number
"""


def sealed(ground: Ground, workers: int) -> tuple[float, float]:
    """Return the rate and the cost of callbacks of one item while they are sealed; see `callbacks_and_cost`.

    On a ledger of its own, with as much behind it as the one that is not sealed.
    """
    return callbacks_and_cost(ground, workers, SEALED)


def unsealed(ground: Ground, workers: int) -> tuple[float, float]:
    """Return the same while nothing is sealed."""
    return callbacks_and_cost(ground, workers, UNSEALED)


def lag(ground: Ground, workers: int) -> tuple[float]:
    """Return how long the oldest entry without an index waited at most, in seconds, under full load."""
    ground.service(workers)
    over = threading.Event()
    longest = 0.0

    def watch() -> None:
        nonlocal longest
        with ground.connect() as connection:
            while not over.wait(EVERY):
                ((waited,),) = connection.execute(WAITING, unseen(connection)).fetchall()
                longest = max(longest, waited)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        callbacks(ground, workers)
    finally:
        over.set()
        watching.join(60)
    return (longest,)


def proof(ground: Ground) -> tuple[float, float]:
    """Return the 99th percentile and the greatest of the milliseconds that proofs of random entries take."""
    url = ground.database(PROVEN, partial(_filled, ground))
    ground.settle()
    took = sorted(asyncio.run(_proofs(url, ground.scale.proven)))
    return took[int(len(took) * 0.99)], took[-1]


async def _proofs(url: str, entries: int) -> list[float]:
    took = []
    with psycopg.connect(url) as connection:
        indexes = random.Random(0).sample(range(entries), min(entries, PROOFS))  # noqa: S311 - no secret
        ids = connection.execute("SELECT entry_id FROM leaves WHERE index = ANY(%s)", [indexes]).fetchall()
    async with Database(url, connections=1) as database:
        for (entry_id,) in ids:
            begun = time.perf_counter()
            async with database.snapshot() as connection_:
                if await proof_of(connection_, entry_id) is None:
                    raise RuntimeError(f"{entry_id} is not proven")
            took.append((time.perf_counter() - begun) * 1000)
    return took


def _filled(ground: Ground, url: str) -> None:
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(10):
            connection.execute(FILL, [ground.scale.proven // 10])

    async def seal() -> None:
        seals = Seals("benchmark/ledger", SigningKey(b"k" * 32), (), Folder(ground.folder / "anchors"))
        async with Database(url, connections=1) as database:
            await Sealing(database, seals).once(now=True)

    asyncio.run(seal())
