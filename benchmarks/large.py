"""A large ledger, filled by the server itself, sealed and folded, to be measured like an empty one."""

import asyncio
import math

import psycopg

from benchmarks.ground import LARGE, Ground
from benchmarks.intake import callbacks
from benchmarks.population import fill, seal_all
from benchmarks.rebuilding import list_registered, rebuild_beside_traffic
from benchmarks.service import CLIENT_KEY, RECIPIENT_KEY
from eventstore.recipients import RecipientKeys
from ledger.commands.progress import progress_bars
from ledger.migration import migrate
from projections.projection import CURRENT_STATUS
from projections.rebuild import rebuild

RANDOM = ("events_key_hash_idx", "message_status_reference_idx", "registrations_reference_idx")
"""The indexes of which an append touches any page: idempotency keys and references are random."""

WARM = "SELECT sum(benchmark.pg_prewarm(name::regclass)) FROM unnest(%s::text[]) AS name"


def filled(ground: Ground) -> str:
    """Return the name of the large database, which is filled and warmed where it is asked for first."""
    ground.database(LARGE, lambda url: _prepare(url, ground.scale.messages))
    return LARGE


def in_use(ground: Ground, workers: int) -> str:
    """Return the name of the large database as it is where it was served for a while.

    After a checkpoint PostgreSQL logs every page whole that is touched for the first time. In a small ledger
    that is over at once; most pages of 20 million random keys take a minute of full load.
    """
    name = filled(ground)
    ground.service(workers, name)
    if ground.checkpointed:
        for _ in range(math.ceil(ground.scale.warm_up / ground.seconds)):
            callbacks(ground, workers, name)
        ground.checkpointed = False
    return name


def rebuilt(ground: Ground) -> tuple[float, float, float]:
    """Return the events a second of a rebuild, and the longest pause in ms: as it swaps, and ever.

    A reader and a supplier ask one request after another meanwhile.
    """
    name = filled(ground)
    service = ground.service(1, name)
    ground.settle()
    pauses = rebuild_beside_traffic(ground.database(name), service.port, CLIENT_KEY)
    longest = max(pauses.longest_read_ms, pauses.longest_callback_ms)
    return pauses.events / pauses.seconds, pauses.longest_swap_ms, longest


def _prepare(url: str, messages: int) -> None:
    """Fill the database, and read into the buffers what a server in use has there."""
    _fill(url, messages)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm SCHEMA benchmark")
        connection.execute(WARM, [list(RANDOM)])


def _fill(url: str, messages: int) -> None:
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        ((used,),) = connection.execute("SELECT to_regnamespace('benchmark') IS NOT NULL").fetchall()
        if used:  # in a folder that was kept
            return
        with progress_bars() as begin:
            fill(url, messages, RecipientKeys(RECIPIENT_KEY), begin)
            connection.execute("SET timezone TO 'UTC'")
            rebuild(connection, CURRENT_STATUS)
            asyncio.run(list_registered(url))
            seal_all(url, begin)
        connection.execute("VACUUM (FREEZE, ANALYZE)")  # as autovacuum leaves what is appended
