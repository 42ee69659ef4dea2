"""Fills a ledger with messages whose statistics are those of a programme that runs for half a year.

Batches of very different sizes belong to clients of very different sizes; most messages are delivered or
read, some statuses are rare; the latest messages are still on their way. The server itself writes entries,
events and registrations; the read model is then made by the product's own rebuild. Bodies are short ones: no
read of statuses looks at them.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

import psycopg
from nhs_number.validate import calculate_checksum

from eventstore import sealer
from eventstore.database import Database
from eventstore.recipients import RecipientKeys

SEED = 4
DAYS = 180
CHUNK = 20_000
"""Messages that one statement writes: about a day's, at 5 million in half a year."""
WRITERS = 2
SEALED_AT_ONCE = 1_000_000
"""Entries that one transaction seals."""

NATIONAL, REGIONAL, COUNTY, CLINIC, SURGERY = "national", "regional", "county", "clinic", "surgery"
SHARES = ((NATIONAL, 0.59), (REGIONAL, 0.30), (COUNTY, 0.05), (CLINIC, 0.01), (None, 0.05))
"""How much of all messages is each client's, and nobody's; the surgery has one batch of 100."""
SIZES = ((45_000, 0.4), (5_000, 0.3), (100, 0.3))
"""How much of all messages comes in batches of which size."""


class Batch(NamedTuple):
    """One batch of consecutive messages."""

    first_message: int
    size: int
    registered_at: datetime
    client_id: str | None
    reference: str


def sql(name: str) -> bytes:
    """Return the text of a statement beside this module."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_bytes()


def batches(messages: int, now: datetime) -> list[Batch]:
    """Return the batches in the order of their times; the same ones for the same arguments."""
    chance = random.Random(SEED)  # noqa: S311 - a reproducible load, no secret
    sizes = [size for size, share in SIZES for _ in range(max(1, round(messages * share / size)))]
    chance.shuffle(sizes)
    wanted = {client: share * sum(sizes) for client, share in SHARES}
    small_clients = (COUNTY, CLINIC, None)
    made, first, surgery = [], 0, len(sizes) // 2
    for place, size in enumerate(sizes):
        open_ = [
            one for one in wanted if size <= (5_000 if one in small_clients else 45_000) and wanted[one] > 0
        ]
        client = chance.choices(open_, [wanted[one] for one in open_])[0] if open_ else NATIONAL
        if size == SIZES[-1][0] and place >= surgery:
            client, surgery = SURGERY, len(sizes)
        else:
            wanted[client] -= size
        at = now - timedelta(days=DAYS) * (1 - place / len(sizes))
        made.append(Batch(first, size, at, client, f"{client or 'nobody'}-{place}"))
        first += size
    return made


def nhs_numbers(many: int) -> Iterator[str]:
    """Yield distinct NHS numbers that no person has."""
    checked = ((number, calculate_checksum(str(number))) for number in count(999_000_000))
    return islice((f"{number}{check}" for number, check in checked if check != 10), many)


def fill(
    url: str,
    messages: int,
    recipients: RecipientKeys,
    begin: Callable[[str, int], Callable[[int], None]],
) -> int:
    """Write that many messages, about; return how many events. `begin` begins a progress bar.

    Indexes and keys are dropped before and made again afterwards, which takes a third of the time; each key
    is then checked for all rows at once. Guards and all other rules stay in place.
    """
    now = datetime.now(UTC)
    (key_id,) = recipients.ids
    people = min(800_000, max(10, messages // 6))
    with psycopg.connect(url) as connection:
        connection.execute(sql("population"))
        planned = batches(messages, now)
        with connection.cursor().copy("COPY benchmark.batches FROM STDIN") as copy:
            for batch in planned:
                copy.write_row(batch)
        with connection.cursor().copy("COPY benchmark.recipients FROM STDIN") as copy:
            for number, digits in enumerate(nhs_numbers(people)):
                copy.write_row((number, recipients.token(key_id, digits)))
        connection.execute("ANALYZE benchmark.batches, benchmark.recipients, benchmark.lives")
        indexes = connection.execute(sql("population_indexes")).fetchall()
        for drop, _ in indexes:
            connection.execute(drop)
    below = planned[-1].first_message + planned[-1].size
    progress = begin("Filling", below)

    def write(chunks: Iterator[int]) -> int:
        events = 0
        with psycopg.connect(url, autocommit=True) as own:
            own.execute("SET synchronous_commit = off")
            own.execute("SET work_mem = '256MB'")
            own.execute("SET jit = off")
            for first in chunks:
                end = min(first + CHUNK, below)
                names = {"first": first, "below": end, "now": now, "recipients": people}
                names["recipient_key_id"] = key_id
                ((written,),) = own.execute(sql("population_chunk"), names).fetchall()
                events += written
                progress(end - first)
        return events

    chunks = iter(range(0, below, CHUNK))  # next() of a range's iterator is one step: no lock is needed
    with ThreadPoolExecutor(WRITERS) as pool:
        events = sum(done.result() for done in [pool.submit(write, chunks) for _ in range(WRITERS)])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        indexed = begin("Indexing", len(indexes))
        for _, create in indexes:
            connection.execute(create)
            indexed(1)
    return events


def seal_all(url: str, begin: Callable[[str, int], Callable[[int], None]]) -> None:
    """Seal what was filled, which a running service would else do beside whatever is measured."""
    with psycopg.connect(url, autocommit=True) as connection:
        ((entries,),) = connection.execute("SELECT count(*) FROM entries").fetchall()
    asyncio.run(_seal(url, begin("Sealing", entries)))


async def _seal(url: str, sealed: Callable[[int], None]) -> None:
    """Seal in few and large steps: each looks at all that those before have sealed."""
    async with Database(url, connections=1) as database:
        more = True
        while more:
            done = await sealer.seal(database, resumed=True, most=SEALED_AT_ONCE)
            sealed(done.entries)
            more = done.more
